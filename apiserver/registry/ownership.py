"""managedFields of a write: who wrote, in which version, what the write cannot set, and how it looks in other versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from apiserver.registry.resource import Resource, converted
from apiserver.registry.writer import Writer
from apiserver.storage import encoding
from apiserver.storage.interface import ValueTooLarge
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import managed_fields
from pocketkube.api.schema import Schema

Obj = dict[str, Any]
KindOf = Callable[[str, str, str], Kind | None]  # (group, version, kind)


def track(
    resource: Resource, writer: Writer, new: Obj, old: Obj | None, *, subresource: str, now: str, kind_of: KindOf
) -> None:
    """Set metadata.managedFields of `new`, in place, after a write that is no apply."""
    managed = managed_fields.update_manager(
        old,
        new,
        resource.kind.schema,
        manager=writer.manager,
        subresource=subresource,
        api_version=resource.api_version,
        now=now,
        reset=resets(resource, subresource),
        view=view(resource, kind_of),
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


def resets(resource: Resource, subresource: str) -> Collection[str] | None:
    """The fields that a write cannot set; None for what is so of most kinds."""
    if not resource.has_status:
        return ()
    return resource.kind.resets.get(subresource)


def view(resource: Resource, kind_of: KindOf) -> managed_fields.View:
    """How an object looks in another version. Where only a webhook could tell, the versions count as alike."""

    def show(obj: Obj, api_version: str) -> tuple[Obj, Schema] | None:
        group, _, version = api_version.rpartition("/")
        kind = kind_of(group, version, resource.kind.kind)
        if kind is None:
            return None
        return (obj if kind.converter is not None else converted(kind, obj)), kind.schema

    return show
