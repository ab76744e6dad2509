"""A custom resource that another server has established and this one is about to serve: clients may ask for it at once."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.interfaces import RequestInfo
from apiserver.registry.crds import GROUP, PLURAL
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.storage.interface import StoreError
from pocketkube.api.meta import objects

Obj = dict[str, Any]

SECONDS = 2.0


async def find(registry: Registry, info: RequestInfo) -> Resource | None:
    """What a path names, waited for if the store says that it must come; None at once for what nobody defined."""
    if "." not in info.group:
        return None
    try:
        await registry.cache.wait_fresh()
    except StoreError:
        return None
    definition = registry.by_plural(GROUP, PLURAL).cache.get("", f"{info.resource}.{info.group}")
    if definition is None or not _serves(definition.obj, info.version):
        return None
    try:
        async with asyncio.timeout(SECONDS):
            while (found := registry.find(info.group, info.version, info.resource)) is None:
                await registry.change()
    except TimeoutError:
        return None
    return found


def _serves(crd: Obj, version: str) -> bool:
    if not objects.is_true(crd, "Established"):
        return False
    return any(known["name"] == version and known.get("served") for known in crd["spec"]["versions"])
