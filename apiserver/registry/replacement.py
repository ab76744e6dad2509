"""Change one object: read, change, admit, prepare, validate, compare and swap; again from the start when another was faster.

The first try starts from the watch cache, which may be behind: whatever fails then is tried again on what the store has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.interfaces import AdmissionRequest
from apiserver.registry import metadata, ownership
from apiserver.registry.creation import Written, create, finish
from apiserver.registry.narrowing import narrow
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.storage import encoding
from apiserver.storage.cache import Entry
from apiserver.storage.interface import KeyMissing, RevisionMismatch
from pocketkube.api.meta import errors, times

Obj = dict[str, Any]
Change = Callable[[Entry], Obj]  # the present entry -> the new object in the served version, the registry's own

TRIES = 16


async def replace(
    registry: Registry,
    resource: Resource,
    writer: Writer,
    change: Change,
    *,
    namespace: str,
    name: str,
    subresource: str = "",
    missing: Callable[[], Obj] | None = None,
) -> Written:
    """The object after `change`; `missing` makes one to create where there is none.

    A resourceVersion in the changed object must be the present one, or Conflict is raised; without one the change is
    made anew on whatever is there. Raises NotFound, Invalid, and what `change` and admission raise.
    """
    entry = resource.cache.get(namespace, name)
    live = entry is None
    if entry is None:
        entry = await registry.live(resource, namespace, name)
    for _ in range(TRIES):
        if entry is None:
            if missing is None:
                raise errors.not_found(resource.group, resource.plural, name)
            return await create(registry, resource, missing(), writer, namespace=namespace)
        try:
            return await _attempt(registry, resource, writer, change, entry, subresource)
        except RevisionMismatch as mismatch:
            entry, live = registry.entry(resource, mismatch.current), True
        except KeyMissing:
            entry, live = None, True
        except errors.StatusError:
            if live:
                raise
            before = entry.revision
            entry, live = await registry.live(resource, namespace, name), True
            if entry is not None and entry.revision == before:
                raise
    raise errors.conflict(resource.group, resource.plural, name, errors.MODIFIED)


async def _attempt(
    registry: Registry, resource: Resource, writer: Writer, change: Change, entry: Entry, subresource: str
) -> Written:
    old = resource.obj(entry)
    new = change(entry)
    kind = resource.kind
    now = times.rfc3339(registry.clock.now())
    _check_version(resource, new, entry)
    metadata.carry(new, old)
    narrow(kind, new, old, subresource)
    if kind.default is not None:
        kind.default(new)
    if writer.operation == "Update":
        ownership.track(resource, writer, new, old, subresource=subresource, now=now)
    request = await _admitted(registry, resource, new, old, writer, subresource)
    _prepare(resource, new, old, subresource)
    stored, before = resource.to_stored(new), entry.obj
    if subresource:
        return await _commit(registry, resource, writer, request, new, stored, entry, subresource)
    await resource.strategy.updating(writer, stored, before)
    try:
        if resource.converts:
            new = resource.from_stored(stored)
        written = await _commit(registry, resource, writer, request, new, stored, entry, subresource)
    except BaseException:
        await resource.strategy.undo(writer, stored, before)
        raise
    if not writer.dry_run:
        await resource.strategy.updated(stored, before)
    return written


def _check_version(resource: Resource, new: Obj, entry: Entry) -> None:
    wanted = new["metadata"].get("resourceVersion")
    if wanted and wanted != str(entry.revision):
        raise errors.conflict(resource.group, resource.plural, entry.name, errors.MODIFIED)


async def _admitted(
    registry: Registry, resource: Resource, new: Obj, old: Obj, writer: Writer, subresource: str
) -> AdmissionRequest:
    meta = old["metadata"]
    request = AdmissionRequest(
        "UPDATE", resource.kind, meta.get("namespace", ""), meta["name"], subresource, new, old, writer.user, writer.dry_run,
        writer.options, writer.warnings,
    )  # fmt: skip
    await registry.admission.mutate(request)
    if resource.kind.default is not None:
        resource.kind.default(new)
    return request


def _prepare(resource: Resource, new: Obj, old: Obj, subresource: str) -> None:
    kind = resource.kind
    if subresource == "status":
        if kind.prepare_status is not None:
            kind.prepare_status(new, old)
    elif kind.prepare_update is not None and not subresource:
        kind.prepare_update(new, old)
    metadata.raise_generation(kind, new, old)


def validate(resource: Resource, new: Obj, old: Obj, subresource: str) -> None:
    """Raises Invalid with everything that is wrong with the new form of an object."""
    kind = resource.kind
    found = metadata.validate_update(new, old)
    if kind.custom:
        found += kind.schema.validate(new)
    check = {"": kind.validate_update, "scale": kind.validate_update, "status": kind.validate_status}.get(subresource)
    if subresource in ("ephemeralcontainers", "resize") and kind.validate is not None:
        found += kind.validate(new)
    if check is not None and not (kind.custom and found):
        found += check(new, old)
    if found:
        raise errors.invalid(kind.group, kind.kind, old["metadata"]["name"], found)


async def _commit(
    registry: Registry,
    resource: Resource,
    writer: Writer,
    request: AdmissionRequest,
    new: Obj,
    stored: Obj,
    entry: Entry,
    subresource: str,
) -> Written:
    validate(resource, new, resource.obj(entry), subresource)
    if resource.kind.warnings is not None and not subresource:
        writer.warnings += resource.kind.warnings(new)
    await registry.admission.validate(request)
    meta = stored["metadata"]
    key = resource.key(entry.namespace, entry.name)
    meta["resourceVersion"] = str(entry.revision)
    if _released(stored):
        return await _remove(registry, resource, writer, key, stored, entry)
    if stored == entry.obj:
        return Written(resource.obj(entry), resource.data(entry))
    if writer.dry_run:
        obj = resource.from_stored(stored)
        return Written(obj, orjson.dumps(obj))
    value = encoding.encode(stored)
    ttl = registry.event_ttl if resource.plural == "events" else 0
    revision = await registry.store.update(key, value, revision=entry.revision, ttl_seconds=ttl)
    return finish(registry, resource, key, value, stored, revision)


def _released(stored: Obj) -> bool:
    """True for an object that was only waiting for its last finalizer."""
    meta = stored["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers"):
        return False
    if meta.get("deletionGracePeriodSeconds"):
        return False
    return not (stored.get("kind") == "Namespace" and (stored.get("spec") or {}).get("finalizers"))


async def _remove(
    registry: Registry, resource: Resource, writer: Writer, key: str, stored: Obj, entry: Entry
) -> Written:
    if not writer.dry_run:
        revision = await registry.store.delete(key, revision=entry.revision)
        stored["metadata"]["resourceVersion"] = str(revision)
        await resource.strategy.deleted(stored)
    obj = resource.from_stored(stored)
    return Written(obj, orjson.dumps(obj))
