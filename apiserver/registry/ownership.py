"""managedFields of an ordinary write. Apply has its own way through `pocketkube.api.meta.apply`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.storage import encoding
from apiserver.storage.interface import ValueTooLarge
from pocketkube.api.meta import managed_fields

Obj = dict[str, Any]


def track(resource: Resource, writer: Writer, new: Obj, old: Obj | None, *, subresource: str, now: str) -> None:
    """Set metadata.managedFields of `new`, in place."""
    managed = managed_fields.update_manager(
        old,
        new,
        resource.kind.schema,
        manager=writer.manager,
        subresource=subresource,
        api_version=resource.api_version,
        now=now,
        reset=None if resource.has_status else (),
    )
    if managed:
        new["metadata"]["managedFields"] = managed
    else:
        new["metadata"].pop("managedFields", None)


async def store(
    write: Callable[[bytes], Awaitable[int]], stored: Obj, value: bytes, *, writer: Writer
) -> tuple[int, bytes]:
    """(revision, bytes) after `write` of `value`, the bytes of `stored`; without managedFields where they make it too large.

    Raises what `write` raises. An apply needs its entries: it is refused."""
    try:
        return await write(value), value
    except ValueTooLarge:
        if writer.operation != "Update" or not stored["metadata"].pop("managedFields", None):
            raise
    value = await writer.run(encoding.encode, stored)
    return await write(value), value
