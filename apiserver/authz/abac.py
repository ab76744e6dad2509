"""Attribute-based access control: the policies of --authorization-policy-file, one JSON object a line, read once at start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from apiserver.interfaces import Decision, RequestInfo, User

Obj = dict[str, Any]

VERSION, KIND = "abac.authorization.kubernetes.io/v1beta1", "Policy"
_ALLOWED, _NO = Decision(True), Decision(False, "No policy matched.")
_READING = frozenset(("get", "list", "watch"))


class Policies:
    """Implements `Authorizer`: what one policy allows is allowed, everything else is left open."""

    def __init__(self, lines: Iterable[bytes]):
        """Raises ValueError naming the line that is no policy."""
        self._specs = list(_specs(lines))

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        allowed = any(_names(spec, user) and _covers(spec, request) for spec in self._specs)
        return _ALLOWED if allowed else _NO

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        resources: list[Obj] = []
        urls: list[Obj] = []
        for spec in self._specs:
            if not _names(spec, user):
                continue
            verbs = sorted(_READING) if spec.get("readonly") else ["*"]
            if spec.get("resource") and spec.get("namespace") in ("*", namespace):
                group = spec.get("apiGroup") or ""
                resources.append({"verbs": verbs, "apiGroups": [group], "resources": [spec["resource"]]})
            if spec.get("nonResourcePath"):
                urls.append({"verbs": verbs, "nonResourceURLs": [spec["nonResourcePath"]]})
        return resources, urls, ""


def _specs(lines: Iterable[bytes]) -> Iterator[Obj]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        try:
            policy = orjson.loads(text)
        except ValueError as failure:
            raise ValueError(f"authorization policy file, line {number}: {failure}") from failure
        if not isinstance(policy, dict) or (policy.get("apiVersion"), policy.get("kind")) != (VERSION, KIND):
            raise ValueError(f"authorization policy file, line {number}: expected a {KIND} of {VERSION}")
        spec = policy.get("spec") or {}
        # A policy that names neither a user nor a group is about everybody who is known.
        yield spec if spec.get("user") or spec.get("group") else {**spec, "group": "system:authenticated"}


def _names(spec: Obj, user: User) -> bool:
    name, group = spec.get("user"), spec.get("group")
    if name and name != "*" and name != user.name:
        return False
    if group and group != "*" and group not in user.groups:
        return False
    return bool(name or group)


def _covers(spec: Obj, request: RequestInfo) -> bool:
    if spec.get("readonly") and request.verb not in _READING:
        return False
    if not request.is_resource:
        path = spec.get("nonResourcePath") or ""
        return path in ("*", request.path) or (path.endswith("*") and request.path.startswith(path.rstrip("*")))
    wanted = (("namespace", request.namespace), ("resource", request.resource), ("apiGroup", request.group))
    return all((spec.get(name) or "") in ("*", value) for name, value in wanted)  # no group given is the core group
