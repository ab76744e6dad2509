"""FlowSchema: which requests go to which priority level."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.flowcontrol import _fixed
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, objects
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("PriorityLevel", "The level that matching requests get."),
    columns.number("MatchingPrecedence", "Which schema comes first: the lowest."),
    columns.text("DistinguisherMethod", "How flows are told apart."),
    columns.AGE,
    columns.text("MissingPL", "Whether the level is missing."),
)


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000
    for rule in spec.get("rules") or ():
        for resource in rule.get("resourceRules") or ():
            if resource.get("namespaces") is None and not resource.get("clusterScope"):
                resource["namespaces"] = []


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    precedence = spec["matchingPrecedence"]
    if precedence <= 0:
        wrong.append(field.invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
    if precedence > 10000:
        wrong.append(field.invalid("spec.matchingPrecedence", precedence, "must not be greater than 10000"))
    if precedence == 1 and obj["metadata"].get("name") != "exempt":
        why = "only the schema named 'exempt' may have matchingPrecedence 1"
        wrong.append(field.invalid("spec.matchingPrecedence", precedence, why))
    if (method := spec.get("distinguisherMethod")) is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        wrong.append(field.not_supported("spec.distinguisherMethod", method.get("type"), ["ByNamespace", "ByUser"]))
    name = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if not name:
        wrong.append(field.required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    wrong += [
        field.invalid("spec.priorityLevelConfiguration.name", name, why) for why in checks.dns_subdomain(name) if name
    ]
    for at, rule in enumerate(spec.get("rules") or ()):
        wrong += _rule(rule, f"spec.rules[{at}]")
    named = obj["metadata"].get("name", "")
    if named in _fixed.FLOW_SCHEMAS and spec != _fixed.FLOW_SCHEMAS[named]:
        wrong.append(field.invalid("spec", spec, f"spec of '{named}' must equal the fixed value"))
    return wrong


def _rule(rule: Obj, path: str) -> Errors:
    wrong: Errors = []
    if not rule.get("subjects"):
        wrong.append(field.required(f"{path}.subjects", "subjects must contain at least one value"))
    for at, subject in enumerate(rule.get("subjects") or ()):
        wrong += _subject(subject, f"{path}.subjects[{at}]")
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        wrong.append(field.required(path, why))
    for at, resource in enumerate(rule.get("resourceRules") or ()):
        wrong += _resource_rule(resource, f"{path}.resourceRules[{at}]")
    for at, urls in enumerate(rule.get("nonResourceRules") or ()):
        where = f"{path}.nonResourceRules[{at}]"
        wrong += _verbs(urls, where)
        wrong += _listed(
            urls, f"{where}.nonResourceURLs", ("nonResourceURLs must contain at least one value", "non-resource URLs")
        )
        for number, url in enumerate(urls.get("nonResourceURLs") or ()):
            if why := _url_fault(url):
                wrong.append(field.invalid(f"{where}.nonResourceURLs[{number}]", url, why))
    return wrong


def _url_fault(url: str) -> str:
    if url in ("*", "/"):
        return ""
    if not url.startswith("/"):
        return "must start with slash" if url else "must not be empty"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    return "wildcard can only do suffix matching" if "*" in url[:-1] or (url.endswith("*") and url[-2:] != "/*") else ""


_SUBJECTS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"]


def _subject(subject: Obj, path: str) -> Errors:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        return [field.not_supported(f"{path}.kind", kind, sorted(_SUBJECTS))]
    wrong: Errors = []
    for other, part in _SUBJECTS.items():
        where, named = f"{path}.{part}", subject.get(part)
        if other != kind:
            if named is not None:
                wrong.append(field.forbidden(where, f"{part} is forbidden when subject kind is not '{other}'"))
            continue
        if named is None:
            wrong.append(field.required(where, f"{part} is required when subject kind is '{kind}'"))
            continue
        if not named.get("name"):
            wrong.append(field.required(f"{where}.name", ""))
        if kind == "ServiceAccount" and not named.get("namespace"):
            wrong.append(field.required(f"{where}.namespace", "must specify namespace for service account"))
    return wrong


def _verbs(rule: Obj, path: str) -> Errors:
    verbs = rule.get("verbs") or []
    where = f"{path}.verbs"
    if not verbs:
        return [field.required(where, "verbs must contain at least one value")]
    if "*" in verbs and len(verbs) > 1:
        return [field.invalid(where, verbs, "if '*' is present, must not specify other verbs")]
    if "*" not in verbs and not set(verbs) <= set(_VERBS):
        return [field.not_supported(where, verbs, _VERBS)]
    return []


def _listed(rule: Obj, path: str, words: tuple[str, str]) -> Errors:
    """A list that must have something in it, and `*` alone. `words`: what is wrong with none; what its members are called."""
    values = rule.get(path.rpartition(".")[2]) or []
    if not values:
        return [field.required(path, words[0])]
    if "*" in values and len(values) > 1:
        return [field.invalid(path, values, f"if '*' is present, must not specify other {words[1]}")]
    return []


def _resource_rule(rule: Obj, path: str) -> Errors:
    wrong = _verbs(rule, path)
    least = "resource rules must supply at least one"
    wrong += _listed(rule, f"{path}.apiGroups", (f"{least} api group", "api groups"))
    wrong += _listed(rule, f"{path}.resources", (f"{least} resource", "resources"))
    if rule.get("namespaces") or not rule.get("clusterScope"):
        none = "resource rules that are not cluster scoped must supply at least one namespace"
        wrong += _listed(rule, f"{path}.namespaces", (none, "namespaces"))
    if "*" not in (rule.get("namespaces") or []):
        intro = "each member of this list must be '*' or a DNS-1123 label; "
        for at, name in enumerate(rule.get("namespaces") or ()):
            wrong += [field.invalid(f"{path}.namespaces[{at}]", name, intro + why) for why in checks.dns_label(name)]
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    dangling = objects.condition(obj, "Dangling")
    return [
        obj["metadata"]["name"],
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type") or columns.NONE,
        columns.age(obj, now),
        dangling.get("status", "?") if dangling else "?",
    ]


KIND = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="FlowSchema",
    plural="flowschemas",
    namespaced=False,
    schema=Schema.of("io.k8s.api.flowcontrol.v1.FlowSchema"),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    resets={"status": ("spec", "metadata")},
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
