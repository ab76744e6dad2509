"""The stored objects as admission, authentication and authorization see them: `Cluster` over the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.registry import creation, replacement
from apiserver.registry.registry import Registry
from apiserver.registry.writer import Writer
from apiserver.storage.cache import Query

Obj = dict[str, Any]


class RegistryCluster:
    """Implements `Cluster`. Objects are those of the stored version, shared and never to be changed."""

    def __init__(self, registry: Registry):
        self._registry = registry
        self._writer = Writer()

    def get(self, group: str, plural: str, namespace: str, name: str) -> Obj | None:
        entry = self._registry.by_plural(group, plural).cache.get(namespace, name)
        return entry.obj if entry else None

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Obj]:
        cache = self._registry.by_plural(group, plural).cache
        return [entry.obj for entry in cache.entries(Query(namespace=namespace))] if len(cache) else ()

    def revision(self, group: str, plural: str) -> int:
        return self._registry.by_plural(group, plural).cache.revision

    async def get_live(self, group: str, plural: str, namespace: str, name: str) -> Obj | None:
        entry = await self._registry.live(self._registry.by_plural(group, plural), namespace, name)
        return entry.obj if entry else None

    async def create(self, group: str, plural: str, namespace: str, obj: Obj) -> Obj:
        resource = self._registry.by_plural(group, plural)
        fresh: Obj = orjson.loads(orjson.dumps(obj))
        written = await creation.create(self._registry, resource, fresh, self._writer, namespace=namespace)
        return written.obj

    async def update(self, group: str, plural: str, obj: Obj, *, subresource: str = "") -> Obj:
        resource = self._registry.by_plural(group, plural)
        data = orjson.dumps(obj)
        metadata = obj["metadata"]
        written = await replacement.replace(
            self._registry,
            resource,
            self._writer,
            lambda _: orjson.loads(data),
            namespace=metadata.get("namespace", ""),
            name=metadata["name"],
            subresource=subresource,
        )
        return written.obj
