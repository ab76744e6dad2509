"""The default roles and bindings as objects, and `reconcile`, which the server runs at start: it adds what is missing and,
where an object allows it by its autoupdate annotation, the rules and subjects it lacks. It never takes anything away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.authz import covering
from apiserver.authz.policy import components, controllers, line, namespaced, node, people
from apiserver.authz.rbac import GROUP
from apiserver.interfaces import Cluster
from pocketkube.api.meta import errors

log = logging.getLogger(__name__)

Obj = dict[str, Any]

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ATTEMPTS = 5
_AT_ONCE = 32  # writes in flight: the store answers many for little more than one


def cluster_roles() -> list[Obj]:
    """Every default ClusterRole. admin, edit and view come with the rules that aggregation will give them."""
    lines = {
        **people.ROLES,
        **components.ROLES,
        **{f"system:controller:{name}": rules for name, rules in controllers.ROLES.items()},
    }
    roles = [_role("ClusterRole", name, line.rules(*rules)) for name, rules in lines.items()]
    roles.append(_role("ClusterRole", "system:node", list(node.NODE_RULES)))
    for name, (gatherer, rules) in people.AGGREGATED.items():
        roles.append(_role("ClusterRole", name, line.rules(*rules), labels={_aggregate(gatherer): "true"}))
    for name, outer in people.GATHERING.items():
        labels = {_aggregate(outer): "true"} if outer else {}
        role = _role("ClusterRole", name, _gathered(name), labels=labels)
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {_aggregate(name): "true"}}]}
        roles.append(role)
    return roles + [
        _plain("ClusterRole", name, rules=line.rules(*r)) for name, r in namespaced.JOIN_CLUSTER_ROLES.items()
    ]


def cluster_role_bindings() -> list[Obj]:
    lines = {
        **namespaced.CLUSTER_ROLE_BINDINGS,
        **{f"system:controller:{name}": (f"ServiceAccount:kube-system/{name}",) for name in controllers.ROLES},
    }
    bindings = [
        _binding("ClusterRoleBinding", name, ("ClusterRole", name), subjects) for name, subjects in lines.items()
    ]
    for name, (role, subjects) in namespaced.JOIN_BINDINGS.items():
        bindings.append(_binding("ClusterRoleBinding", name, ("ClusterRole", role), subjects, default=False))
    return bindings


def roles() -> list[Obj]:
    made = [_role("Role", name, line.rules(*r), namespace=where) for (where, name), r in namespaced.ROLES.items()]
    joining = namespaced.JOIN_ROLES.items()
    return made + [_plain("Role", name, namespace=where, rules=line.rules(*r)) for (where, name), r in joining]


def role_bindings() -> list[Obj]:
    made = [
        _binding("RoleBinding", name, ("Role", role), subjects, namespace=where)
        for (where, name), (role, subjects) in namespaced.ROLE_BINDINGS.items()
    ]
    for (where, name), (role, subjects) in namespaced.JOIN_ROLE_BINDINGS.items():
        made.append(_binding("RoleBinding", name, ("Role", role), subjects, namespace=where, default=False))
    return made


async def reconcile(cluster: Cluster) -> int:
    """Bring the store's roles and bindings up to the defaults; returns how many were written.

    Namespaces kube-system and kube-public must be there. Runs on several servers at once without harm."""
    everything = (
        ("clusterroles", cluster_roles()),
        ("clusterrolebindings", cluster_role_bindings()),
        ("roles", roles()),
        ("rolebindings", role_bindings()),
    )
    written = 0
    for plural, wanted in everything:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            written += sum(await asyncio.gather(*(_ensure(cluster, plural, obj) for obj in some)))
    return written


async def _ensure(cluster: Cluster, plural: str, wanted: Obj) -> bool:
    meta = wanted["metadata"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    current = cluster.get(GROUP, plural, namespace, name)
    for _ in range(_ATTEMPTS):
        try:
            if current is None:
                await cluster.create(GROUP, plural, namespace, wanted)
                return True
            merged = merge(current, wanted)
            if merged is None:
                return False
            await cluster.update(GROUP, plural, merged)
            return True
        except (errors.Conflict, errors.AlreadyExists):  # the cache was behind, or another server was faster
            current = await cluster.get_live(GROUP, plural, namespace, name)
    log.warning("Gave up on %s %s after %d conflicts", plural, name, _ATTEMPTS)
    return False


def merge(current: Obj, wanted: Obj) -> Obj | None:
    """`current` with what it lacks of `wanted`; None where it lacks nothing or must not be touched."""
    mine = (current["metadata"].get("annotations") or {}).get(AUTOUPDATE)
    default = AUTOUPDATE in (wanted["metadata"].get("annotations") or {})
    if mine == "false" or not default:
        return None
    merged = dict(current)
    if "roleRef" in wanted:
        merged["subjects"] = _with_missing(current.get("subjects"), wanted.get("subjects") or [])
    elif "aggregationRule" in wanted:
        merged["aggregationRule"] = _aggregation(current, wanted)
    else:
        have = current.get("rules") or []
        merged["rules"] = have + [r for r in wanted["rules"] if not covering.covers(have, [r])]
    merged["metadata"] = {**current["metadata"], **_maps(current, wanted)}
    return None if merged == _normal(current, merged) else merged


def _normal(current: Obj, merged: Obj) -> Obj:
    """`current` with empty lists where `merged` spells them out, so that equal content compares equal."""
    return {**{k: [] for k in merged if k not in current}, **{k: [] if v is None else v for k, v in current.items()}}


def _aggregation(current: Obj, wanted: Obj) -> Obj:
    have = (current.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    return {"clusterRoleSelectors": _with_missing(have, wanted["aggregationRule"]["clusterRoleSelectors"])}


def _with_missing(have: list[Obj] | None, wanted: Iterable[Obj]) -> list[Obj]:
    have = have or []
    return have + [w for w in wanted if w not in have]


def _maps(current: Obj, wanted: Obj) -> Obj:
    """Labels and annotations: the defaults first, what is there wins."""
    meta = current["metadata"]
    return {f: {**wanted["metadata"].get(f, {}), **(meta.get(f) or {})} for f in ("labels", "annotations")}


def _gathered(name: str) -> list[Obj]:
    """The rules of every role that `name` gathers, directly or through another, each once, by role name."""
    inner = [n for n, outer in people.GATHERING.items() if outer == name]
    own = [n for n, (gatherer, _) in people.AGGREGATED.items() if gatherer == name]
    found: list[Obj] = []
    for role in sorted([*inner, *own]):
        rules = line.rules(*people.AGGREGATED[role][1]) if role in people.AGGREGATED else _gathered(role)
        found = _with_missing(found, rules)
    return found


def _aggregate(name: str) -> str:
    return f"rbac.authorization.k8s.io/aggregate-to-{name}"


def _role(
    kind: str, name: str, rules: list[Obj], *, namespace: str = "", labels: Mapping[str, str] | None = None
) -> Obj:
    role = _plain(kind, name, namespace=namespace, rules=rules)
    role["metadata"] |= {"labels": {**LABELS, **(labels or {})}, "annotations": {AUTOUPDATE: "true"}}
    return role


def _plain(kind: str, name: str, *, namespace: str = "", rules: list[Obj]) -> Obj:
    meta: Obj = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta, "rules": rules}


def _binding(
    kind: str, name: str, role: tuple[str, str], subjects: Iterable[str], *, namespace: str = "", default: bool = True
) -> Obj:
    meta: Obj = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if default:
        meta |= {"labels": dict(LABELS), "annotations": {AUTOUPDATE: "true"}}
    binding: Obj = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta}
    binding["roleRef"] = {"apiGroup": GROUP, "kind": role[0], "name": role[1]}
    if made := [_subject(s) for s in subjects]:
        binding["subjects"] = made
    return binding


def _subject(text: str) -> Obj:
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}
