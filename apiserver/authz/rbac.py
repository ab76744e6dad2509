"""RBAC over the roles and bindings in the watch cache. Decisions are kept until any of the four kinds changes.

A decision is remembered by request shape, without the object's name: either every name is allowed, or only those of some
rules' resourceNames. So a user who touches a thousand pods costs one entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.authz import rules
from apiserver.interfaces import Cluster, Decision, RequestInfo, User
from pocketkube.base.kept import Kept

Obj = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
_NO = Decision(False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one binding gives one subject: rules in a namespace, or everywhere where `namespace` is empty."""

    namespace: str
    rules: tuple[Obj, ...]
    reason: str
    missing: str = ""  # the role that the binding names and that is not there


@dataclass(frozen=True, slots=True)
class _Shape:
    """The answer for a request shape: for every name, or by name."""

    always: Decision | None
    named: tuple[tuple[frozenset[str], Decision], ...]
    otherwise: Decision


class RBAC:
    """Implements `Authorizer`."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._revisions: tuple[int, int, int, int] | None = None
        self._grants: dict[tuple[str, str], list[Grant]] = {}
        self._shapes: Kept[tuple[object, ...], _Shape] = Kept()

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        revision = self._cluster.revision
        now = (
            revision(GROUP, "clusterroles"),
            revision(GROUP, "clusterrolebindings"),
            revision(GROUP, "roles"),
            revision(GROUP, "rolebindings"),
        )
        if now != self._revisions:
            self._rebuild(now)
        key: tuple[object, ...]
        if request.is_resource:
            key = (
                user.name,
                user.groups,
                request.verb,
                request.resource,
                request.namespace,
                request.group,
                request.subresource,
            )
        else:
            key = (user.name, user.groups, request.verb, request.path)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes.keep(key, self._shape(user, request))
        if shape.always is not None:
            return shape.always
        for names, decision in shape.named:
            if request.name in names:
                return decision
        return shape.otherwise

    def grants(self, user: User, namespace: str) -> list[Grant]:
        """What the user has in `namespace`; with "" only what holds everywhere."""
        return [g for g in self._grants_of(user) if not g.namespace or g.namespace == namespace]

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        resource_rules, url_rules = [], []
        for rule in self.policy_rules(user, namespace):
            if rule.get("nonResourceURLs"):
                url_rules.append({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]})
            elif rule.get("resources"):
                resource_rules.append({k: v for k, v in rule.items() if k != "nonResourceURLs" and v})
        missing = [g.missing for g in self.grants(user, namespace) if g.missing]
        return resource_rules, url_rules, _list(missing) if missing else ""

    def policy_rules(self, user: User, namespace: str) -> list[Obj]:
        """Every PolicyRule that the user has in `namespace`, cluster-wide ones included."""
        self.authorize(user, RequestInfo("get", "/"))  # brings the index up to date
        return [rule for grant in self.grants(user, namespace) for rule in grant.rules]

    def _grants_of(self, user: User) -> list[Grant]:
        found = list(self._grants.get(("User", user.name), ()))
        for group in user.groups:
            found += self._grants.get(("Group", group), ())
        return found

    def _shape(self, user: User, request: RequestInfo) -> _Shape:
        named: list[tuple[frozenset[str], Decision]] = []
        missing = []
        for grant in self._grants_of(user):
            if grant.namespace and grant.namespace != request.namespace:
                continue
            if grant.missing:
                missing.append(grant.missing)
            for rule in grant.rules:
                if not request.is_resource:
                    if rules.allows(rule, request):
                        return _Shape(Decision(True, grant.reason), (), _NO)
                elif rules.matches_shape(rule, request):
                    names = rule.get("resourceNames")
                    if not names:
                        return _Shape(Decision(True, grant.reason), (), _NO)
                    named.append((frozenset(names), Decision(True, grant.reason)))
        otherwise = Decision(False, "RBAC: " + _list(missing)) if missing else _NO
        return _Shape(None if named else otherwise, tuple(named), otherwise)

    def _rebuild(self, revisions: tuple[int, int, int, int]) -> None:
        grants: dict[tuple[str, str], list[Grant]] = {}
        for kind, plural in (("ClusterRoleBinding", "clusterrolebindings"), ("RoleBinding", "rolebindings")):
            for binding in self._cluster.list(GROUP, plural):
                for key, grant in self._of_binding(kind, binding):
                    grants.setdefault(key, []).append(grant)
        self._grants, self._revisions = grants, revisions
        self._shapes.clear()

    def _of_binding(self, kind: str, binding: Obj) -> list[tuple[tuple[str, str], Grant]]:
        namespace = binding["metadata"].get("namespace", "")
        reference = binding.get("roleRef") or {}
        role_kind, role_name = reference.get("kind", ""), reference.get("name", "")
        if role_kind == "ClusterRole":
            role = self._cluster.get(GROUP, "clusterroles", "", role_name)
        else:
            role = self._cluster.get(GROUP, "roles", namespace, role_name)
        missing = "" if role else f'{role_kind.lower()}.{GROUP} "{role_name}" not found'
        given = tuple((role or {}).get("rules") or ())
        where = f'"{binding["metadata"]["name"]}{"/" + namespace if namespace else ""}"'
        found = []
        for subject in binding.get("subjects") or ():
            key, who = _subject(subject, namespace)
            found.append(
                (
                    key,
                    Grant(
                        namespace,
                        given,
                        f'RBAC: allowed by {kind} {where} of {role_kind} "{role_name}" to {who}',
                        missing,
                    ),
                )
            )
        return found


def _subject(subject: Obj, namespace: str) -> tuple[tuple[str, str], str]:
    """((User or Group, name), how a reason names it)."""
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind == "ServiceAccount":
        home = subject.get("namespace") or namespace
        return ("User", f"system:serviceaccount:{home}:{name}"), f'ServiceAccount "{name}/{home}"'
    return (kind, name), f'{kind} "{name}"'


def _list(texts: list[str]) -> str:
    unique = list(dict.fromkeys(texts))
    return unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"
