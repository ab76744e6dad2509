"""managedFields of an ordinary write. Apply has its own way through `pocketkube.api.meta.apply`."""

from __future__ import annotations

from typing import Any

from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
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
