"""Nobody grants what they do not have: checks on writes of roles and bindings. The verbs `escalate` and `bind` lift them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.authz import covering
from apiserver.authz.chain import MASTERS
from apiserver.authz.rbac import GROUP, RBAC
from apiserver.interfaces import Authorizer, Cluster, RequestInfo, User
from pocketkube.api.meta import errors

Obj = dict[str, Any]

_EVERYTHING: list[Obj] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


def check_role(user: User, role: Obj, old: Obj | None, *, plural: str, authorizer: Authorizer, rbac: RBAC) -> None:
    """Raises errors.Forbidden if `user` may not write this Role or ClusterRole (`old` is None at creation)."""
    meta = role["metadata"]
    name, namespace = meta.get("name", ""), meta.get("namespace", "")
    if old is not None and _same(role, old, "rules", "aggregationRule"):
        return
    if _may(user, "escalate", plural, namespace=namespace, name=name, authorizer=authorizer):
        return
    held = rbac.policy_rules(user, namespace)
    gathers = role.get("aggregationRule")
    if gathers and (old is None or gathers != old.get("aggregationRule")) and not covering.covers(held, _EVERYTHING):
        why = "must have cluster-admin privileges to use an aggregationRule"
        raise errors.forbidden(GROUP, plural, name, why)
    _confirm(user, held, role.get("rules") or (), plural=plural, name=name)


def check_binding(
    user: User, binding: Obj, old: Obj | None, *, plural: str, authorizer: Authorizer, rbac: RBAC, cluster: Cluster
) -> None:
    """Raises errors.Forbidden if `user` may not bind this role, errors.NotFound where it must be known and is missing."""
    if old is not None and _same(binding, old, "roleRef", "subjects"):
        return
    meta = binding["metadata"]
    namespace = meta.get("namespace", "")
    reference = binding.get("roleRef") or {}
    role_name = reference.get("name", "")
    role_plural = "clusterroles" if reference.get("kind") == "ClusterRole" else "roles"
    if _may(user, "bind", role_plural, namespace=namespace, name=role_name, authorizer=authorizer):
        return
    role = cluster.get(GROUP, role_plural, "" if role_plural == "clusterroles" else namespace, role_name)
    if role is None:
        raise errors.not_found(GROUP, role_plural, role_name)
    held = rbac.policy_rules(user, namespace)
    _confirm(user, held, role.get("rules") or (), plural=plural, name=meta.get("name", ""))


def _may(user: User, verb: str, plural: str, *, namespace: str, name: str, authorizer: Authorizer) -> bool:
    if MASTERS in user.groups:
        return True
    request = RequestInfo(verb, "", True, GROUP, "v1", plural, namespace=namespace, name=name)
    return authorizer.authorize(user, request).allowed


def _same(new: Obj, old: Obj, *fields: str) -> bool:
    return all((new.get(f) or None) == (old.get(f) or None) for f in fields)


def _confirm(user: User, held: Sequence[Obj], wanted: Iterable[Obj], *, plural: str, name: str) -> None:
    missing = covering.uncovered(held, wanted)
    if not missing:
        return
    groups = " ".join(f'"{g}"' for g in user.groups)
    listed = "\n".join(sorted({_compact(rule) for rule in _merged(missing)}))
    why = (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{listed}'
    )
    raise errors.forbidden(GROUP, plural, name, why)


def _merged(pieces: Iterable[Obj]) -> list[Obj]:
    """Pieces of one group and resource as one rule with all its verbs."""
    found: dict[tuple[str, ...], Obj] = {}
    for piece in pieces:
        key = tuple(str(piece.get(f, [""])[0]) for f in ("apiGroups", "resources", "nonResourceURLs", "resourceNames"))
        rule = found.setdefault(key, {**piece, "verbs": []})
        if piece["verbs"][0] not in rule["verbs"]:
            rule["verbs"].append(piece["verbs"][0])
    return list(found.values())


def _compact(rule: Obj) -> str:
    names = {
        "apiGroups": "APIGroups",
        "resources": "Resources",
        "nonResourceURLs": "NonResourceURLs",
        "resourceNames": "ResourceNames",
        "verbs": "Verbs",
    }
    parts = []
    for wire, shown in names.items():
        if rule.get(wire):
            parts.append(f"{shown}:[" + " ".join(f'"{v}"' for v in rule[wire]) + "]")
    return "{" + ", ".join(parts) + "}"
