"""Pure RBAC matching: does a PolicyRule allow a request. Rules are the plain objects of Roles and ClusterRoles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.interfaces import RequestInfo

Obj = dict[str, Any]


def allows(rule: Obj, request: RequestInfo) -> bool:
    """Whether one rule allows the request, its name included."""
    if not request.is_resource:
        return verb_matches(rule, request.verb) and path_matches(rule.get("nonResourceURLs") or (), request.path)
    return matches_shape(rule, request) and name_matches(rule, request.name)


def matches_shape(rule: Obj, request: RequestInfo) -> bool:
    """Verb, API group and resource match; names are not looked at."""
    groups = rule.get("apiGroups") or ()
    return (
        verb_matches(rule, request.verb)
        and (request.group in groups or "*" in groups)
        and resource_matches(rule.get("resources") or (), request.resource, subresource=request.subresource)
    )


def verb_matches(rule: Obj, verb: str) -> bool:
    verbs = rule.get("verbs") or ()
    return verb in verbs or "*" in verbs


def resource_matches(resources: Sequence[str], resource: str, *, subresource: str) -> bool:
    """`pods/log` itself, `*` for everything, `*/scale` for that subresource of anything."""
    combined = f"{resource}/{subresource}" if subresource else resource
    return combined in resources or "*" in resources or bool(subresource and f"*/{subresource}" in resources)


def name_matches(rule: Obj, name: str) -> bool:
    names = rule.get("resourceNames")
    return not names or name in names


def path_matches(patterns: Iterable[str], path: str) -> bool:
    """A trailing `*` matches any rest."""
    return any(p in ("*", path) or (p.endswith("*") and path.startswith(p.rstrip("*"))) for p in patterns)
