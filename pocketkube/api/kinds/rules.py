"""RBAC: rules of roles, and bindings of roles to subjects."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field, names

Obj = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
ROLE_COLUMNS = (columns.NAME, columns.date("Created At", "When it was created."))
BINDING_COLUMNS = (
    columns.NAME,
    columns.text("Role", "Whose rights are given."),
    columns.AGE,
    columns.text("Users", "The users it is given to.", priority=1),
    columns.text("Groups", "The groups it is given to.", priority=1),
    columns.text("ServiceAccounts", "The service accounts it is given to.", priority=1),
)


def rules(found: list[Obj], *, namespaced: bool) -> Errors:
    """The rules of a role; a namespaced one cannot speak of URLs."""
    wrong: Errors = []
    for at, rule in enumerate(found):
        wrong += _rule(rule, f"rules[{at}]", namespaced=namespaced)
    return wrong


def _rule(rule: Obj, path: str, *, namespaced: bool) -> Errors:
    wrong: Errors = []
    urls = rule.get("nonResourceURLs") or []
    if not rule.get("verbs"):
        wrong.append(field.required(f"{path}.verbs", "verbs must contain at least one value"))
    if urls:
        if namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            wrong.append(field.invalid(f"{path}.nonResourceURLs", urls, why))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            wrong.append(field.invalid(f"{path}.nonResourceURLs", urls, why))
        return wrong
    if not rule.get("apiGroups"):
        wrong.append(field.required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        wrong.append(field.required(f"{path}.resources", "resource rules must supply at least one resource"))
    return wrong


def default_binding(obj: Obj) -> None:
    role = obj.get("roleRef")
    if role is not None and not role.get("apiGroup"):
        role["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def binding(obj: Obj, *, kinds: list[str]) -> Errors:
    """A binding to a role of one of these kinds."""
    role = obj.get("roleRef") or {}
    wrong: Errors = []
    if role.get("apiGroup") != GROUP:
        wrong.append(field.not_supported("roleRef.apiGroup", role.get("apiGroup", ""), [GROUP]))
    if role.get("kind") not in kinds:
        wrong.append(field.not_supported("roleRef.kind", role.get("kind", ""), kinds))
    name = role.get("name", "")
    if not name:
        wrong.append(field.required("roleRef.name"))
    wrong += checks.named("roleRef.name", name, names.is_path_segment)
    for at, subject in enumerate(obj.get("subjects") or ()):
        wrong += _subject(subject, f"subjects[{at}]", namespaced="Role" in kinds)
    return wrong


def _subject(subject: Obj, path: str, *, namespaced: bool) -> Errors:
    """In a RoleBinding an account without a namespace is of the binding's own."""
    kind, name, group = subject.get("kind", ""), subject.get("name", ""), subject.get("apiGroup", "")
    wrong: Errors = [] if name else [field.required(f"{path}.name")]
    if kind == "ServiceAccount":
        if name:
            wrong += [field.invalid(f"{path}.name", name, why) for why in checks.dns_subdomain(name)]
        if group:
            wrong.append(field.not_supported(f"{path}.apiGroup", group, [""]))
        if not namespaced and not subject.get("namespace"):
            wrong.append(field.required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != GROUP:
            wrong.append(field.not_supported(f"{path}.apiGroup", group, [GROUP]))
    else:
        wrong.append(field.not_supported(f"{path}.kind", kind, ["ServiceAccount", "User", "Group"]))
    return wrong


def same_role(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("roleRef", obj.get("roleRef"), old.get("roleRef"), "cannot change roleRef")


def role_row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


def binding_row(obj: Obj, now: datetime) -> list[Any]:
    role, subjects = obj.get("roleRef") or {}, obj.get("subjects") or ()
    return [
        obj["metadata"]["name"],
        f"{role.get('kind', '')}/{role.get('name', '')}",
        columns.age(obj, now),
        ", ".join(s.get("name", "") for s in subjects if s.get("kind") == "User"),
        ", ".join(s.get("name", "") for s in subjects if s.get("kind") == "Group"),
        ", ".join(f"{s.get('namespace', '')}/{s['name']}" for s in subjects if s.get("kind") == "ServiceAccount"),
    ]
