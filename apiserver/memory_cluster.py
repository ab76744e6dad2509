"""An in-memory `Cluster`: what tests and tools give admission, authentication and authorization instead of a watch cache."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from pocketkube.api.meta import errors

Obj = dict[str, Any]


class MemoryCluster:
    """Objects by (group, plural), then by (namespace, name). Every write raises one revision, as a store does."""

    def __init__(self, objects: Iterable[tuple[str, str, Obj]] = ()):
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Obj]] = {}
        self._revisions: dict[tuple[str, str], int] = {}
        self._counter = itertools.count(1)
        for group, plural, obj in objects:
            self.put(group, plural, obj)

    def put(self, group: str, plural: str, obj: Obj) -> Obj:
        """Store `obj` whatever was there, with a uid and a new resourceVersion; returns what is stored."""
        meta = obj.setdefault("metadata", {})
        meta.setdefault("uid", str(uuid.uuid4()))
        revision = next(self._counter)
        meta["resourceVersion"] = str(revision)
        self._revisions[group, plural] = revision
        self._objects.setdefault((group, plural), {})[meta.get("namespace", ""), meta["name"]] = obj
        return obj

    def remove(self, group: str, plural: str, namespace: str, name: str) -> None:
        del self._objects[group, plural][namespace, name]
        self._revisions[group, plural] = next(self._counter)

    def get(self, group: str, plural: str, namespace: str, name: str) -> Obj | None:
        return self._objects.get((group, plural), {}).get((namespace, name))

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Obj]:
        found = self._objects.get((group, plural), {})
        return [obj for (where, _), obj in found.items() if not namespace or where == namespace]

    def revision(self, group: str, plural: str) -> int:
        return self._revisions.get((group, plural), 0)

    async def get_live(self, group: str, plural: str, namespace: str, name: str) -> Obj | None:
        return self.get(group, plural, namespace, name)

    async def create(self, group: str, plural: str, namespace: str, obj: Obj) -> Obj:
        name = obj["metadata"]["name"]
        if self.get(group, plural, namespace, name) is not None:
            raise errors.already_exists(group, plural, name)
        fresh = deepcopy(obj)
        if namespace:
            fresh["metadata"]["namespace"] = namespace
        return self.put(group, plural, fresh)

    async def update(self, group: str, plural: str, obj: Obj, *, subresource: str = "") -> Obj:
        meta = obj["metadata"]
        current = self.get(group, plural, meta.get("namespace", ""), meta["name"])
        if current is None:
            raise errors.not_found(group, plural, meta["name"])
        if (
            meta.get("resourceVersion", current["metadata"]["resourceVersion"])
            != current["metadata"]["resourceVersion"]
        ):
            raise errors.conflict(group, plural, meta["name"], errors.MODIFIED)
        fresh = deepcopy(obj)
        if subresource:
            fresh = {**deepcopy(current), subresource: fresh.get(subresource, {})}
        return self.put(group, plural, fresh)
