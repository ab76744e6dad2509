"""Create one object: generate, default, admit, prepare, validate, store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import orjson

from apiserver.interfaces import AdmissionRequest
from apiserver.registry import metadata, ownership
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.storage import encoding
from apiserver.storage.interface import KeyExists, StoreUnavailable
from pocketkube.api.meta import errors, names, times

Obj = dict[str, Any]

GENERATED_TRIES = 8


class Written(NamedTuple):
    """An object after a write, in the version that was asked for: shared, never to be changed; and its bytes."""

    obj: Obj
    data: bytes
    created: bool = False


async def create(registry: Registry, resource: Resource, obj: Obj, writer: Writer, *, namespace: str = "") -> Written:
    """Store a decoded object, which becomes the registry's. Raises AlreadyExists, Invalid, and what admission raises."""
    meta = obj.setdefault("metadata", {})
    metadata.check_namespace(resource, obj, namespace)
    if meta.get("resourceVersion"):
        raise errors.BadRequest("resourceVersion should not be set on objects to be created")
    prefix = meta.get("generateName", "") if not meta.get("name") else ""
    pristine = orjson.dumps(obj) if prefix else b""
    for attempt in range(GENERATED_TRIES):
        if prefix:
            obj = orjson.loads(pristine) if attempt else obj
            obj["metadata"]["name"] = names.generate_name(prefix)
        try:
            return await _create(registry, resource, obj, writer)
        except KeyExists:
            if not prefix:
                raise errors.already_exists(resource.group, resource.plural, obj["metadata"]["name"]) from None
    raise errors.AlreadyExists(
        f'{resource.kind.resource} "{obj["metadata"]["name"]}" already exists, '
        "the server was not able to generate a unique name for the object",
        details={"name": obj["metadata"]["name"], "kind": resource.plural, "retryAfterSeconds": 1},
    )


async def _create(registry: Registry, resource: Resource, obj: Obj, writer: Writer) -> Written:
    kind = resource.kind
    now = times.rfc3339(registry.clock.now())
    await writer.run(_begin, registry, resource, obj, writer, now)
    request = await _admitted(registry, resource, obj, writer)
    if kind.prepare_create is not None:
        kind.prepare_create(obj)
    stored = await resource.to_stored(obj)
    await resource.strategy.creating(writer, stored)
    try:
        if resource.converts and not resource.kind.custom:
            obj = await resource.from_stored(stored)
        await writer.run(_check, resource, obj, writer)
        await registry.admission.validate(request)
        return await _store(registry, resource, stored, writer)
    except StoreUnavailable:
        raise  # it may have been written: what it claimed stays claimed until repair
    except Exception:
        await resource.strategy.undo(writer, stored, None)
        raise


def _begin(registry: Registry, resource: Resource, obj: Obj, writer: Writer, now: str) -> None:
    """Bring a new object to its form before admission, in place."""
    kind = resource.kind
    metadata.begin(kind, obj, now=now)
    metadata.name_owners_once(obj["metadata"], writer.warnings)
    if kind.default is not None:
        kind.default(obj)
    if writer.operation == "Update":
        ownership.track(resource, writer, obj, None, subresource="", now=now, kind_of=registry.kind_of)


async def _admitted(registry: Registry, resource: Resource, obj: Obj, writer: Writer) -> AdmissionRequest:
    meta = obj["metadata"]
    request = AdmissionRequest(
        "CREATE", resource.kind, meta.get("namespace", ""), meta.get("name", ""), "", obj, None, writer.user, writer.dry_run,
        writer.options, writer.warnings, writer.annotations,
    )  # fmt: skip
    await registry.admission.mutate(request)
    metadata.name_owners_once(obj["metadata"], writer.warnings, mutated=True)
    if resource.kind.default is not None:
        resource.kind.default(obj)
    return request


def _check(resource: Resource, obj: Obj, writer: Writer) -> None:
    validate(resource, obj)
    if resource.kind.warnings is not None:
        writer.warnings += resource.kind.warnings(obj)
    if resource.kind.custom:
        writer.warnings += metadata.finalizer_warnings(obj)


def validate(resource: Resource, obj: Obj) -> None:
    """Raises Invalid with everything that is wrong with a new object."""
    kind = resource.kind
    found = metadata.validate(kind, obj)
    if kind.custom:
        found += kind.schema.validate(obj)
    if kind.validate is not None:
        found += kind.validate(obj)
    if found:
        raise errors.invalid(kind.group, kind.kind, obj["metadata"].get("name", ""), found)


async def _store(registry: Registry, resource: Resource, stored: Obj, writer: Writer) -> Written:
    meta = stored["metadata"]
    key = resource.key(meta.get("namespace", ""), meta["name"])
    value = await writer.run(encoding.encode, stored)
    if writer.dry_run:
        if await registry.store.get(key) is not None:
            raise KeyExists(key)
        obj = await resource.from_stored(stored)
        return Written(obj, orjson.dumps(obj), True)
    ttl = registry.event_ttl if resource.plural == "events" else 0
    create = partial(expected, registry, key, stored, partial(registry.store.create, key, ttl_seconds=ttl))
    revision, value = await ownership.store(create, stored, value, writer=writer)
    return await finish(resource, value, stored, revision, created=True)


async def expected(
    registry: Registry, key: str, stored: Obj, write: Callable[[bytes], Awaitable[int]], value: bytes
) -> int:
    """The revision after `write` of `value`, which `stored` is parsed: the cache is to take both over."""
    registry.cache.expect(key, value, stored)
    try:
        return await write(value)
    except BaseException:
        registry.cache.unexpect(key, stored)
        raise


async def finish(resource: Resource, value: bytes, stored: Obj, revision: int, *, created: bool = False) -> Written:
    """What the client sees of a stored object."""
    meta = stored["metadata"]
    meta["resourceVersion"] = str(revision)
    entry = resource.cache.get(meta.get("namespace", ""), meta["name"])
    at_hand = entry is not None and entry.revision == revision
    data = entry.data if entry and at_hand else encoding.splice_revision(value, revision)
    if resource.converts and (obj := await resource.from_stored(stored)) is not stored:
        return Written(obj, orjson.dumps(obj), created)
    return Written(stored, data, created)
