"""Change one object: read, change, admit, prepare, validate, compare and swap; again from the start when another was faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import orjson

from apiserver.interfaces import AdmissionRequest
from apiserver.registry import metadata, ownership
from apiserver.registry.attempts import Unverified, attempt
from apiserver.registry.creation import Written, create, expected, finish
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.registry.writer import BULKY, Writer
from apiserver.storage import encoding
from apiserver.storage.cache import Entry
from apiserver.storage.interface import StoreUnavailable
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, times

Obj = dict[str, Any]
Change = Callable[[Entry], Obj]  # the present entry -> the new object in the served version, the registry's own


class View(NamedTuple):
    """What admission sees in place of an object whose subresource is another kind: `shown` makes it, `taken` writes it back."""

    shown: Callable[[Obj], Obj]
    taken: Callable[[Obj, Obj], None]


async def replace(
    registry: Registry,
    resource: Resource,
    writer: Writer,
    change: Change,
    *,
    namespace: str,
    name: str,
    subresource: str = "",
    missing: Callable[[], Awaitable[Obj]] | None = None,
    view: View | None = None,
) -> Written:
    """The object after `change`; `missing` makes one to create where there is none.

    A resourceVersion in the changed object must be the present one, or Conflict is raised; without one the change is
    made anew on whatever is there; `view` is what admission sees of it. Raises NotFound, Invalid, and what `change` and
    admission raise.
    """
    replacement = _Replacement(registry, resource, writer, change, subresource, view)

    async def make() -> Written:
        assert missing is not None
        return await create(registry, resource, await missing(), writer, namespace=namespace)

    return await attempt(
        registry,
        resource,
        namespace=namespace,
        name=name,
        change=replacement.on,
        missing=make if missing is not None else None,
    )


class _Replacement:
    """One change, and each step of it on one entry."""

    def __init__(
        self,
        registry: Registry,
        resource: Resource,
        writer: Writer,
        change: Change,
        subresource: str,
        view: View | None,
    ):
        self._registry = registry
        self._resource = resource
        self._writer = writer
        self._change = change
        self._subresource = subresource
        self._view = view

    async def on(self, entry: Entry, live: bool) -> Written:
        """Raises RevisionMismatch, KeyMissing, Unverified."""
        resource, writer = self._resource, self._writer
        writer.bulky = writer.bulky or len(entry.data) > BULKY
        old, new = await writer.run(self._changed, entry)
        request = await self._admit(new, old)
        await writer.run(self._prepare, new, old)
        stored, before = await resource.to_stored(new), entry.obj
        if self._subresource:
            return await self._commit(request, new, stored, entry, live)
        await resource.strategy.updating(writer, stored, before)
        try:
            if resource.converts and not resource.kind.custom:
                new = await resource.from_stored(stored)
            written = await self._commit(request, new, stored, entry, live)
        except StoreUnavailable:
            raise  # it may have been written: what it claimed stays claimed until repair
        except Exception:
            await resource.strategy.undo(writer, stored, before)
            raise
        if not writer.dry_run:
            await resource.strategy.updated(stored, before)
        return written

    def _changed(self, entry: Entry) -> tuple[Obj, Obj]:
        """The present object and its new form."""
        old = self._resource.obj(entry)
        new = self._change(entry)
        self._carry(new, old, entry)
        return old, new

    def _carry(self, new: Obj, old: Obj, entry: Entry) -> None:
        """Bring the new object to its form before admission, in place."""
        resource, kind = self._resource, self._resource.kind
        wanted = new["metadata"].get("resourceVersion")
        if wanted and wanted != str(entry.revision):
            raise errors.conflict(resource.group, resource.plural, entry.name, errors.MODIFIED)
        metadata.carry(resource, new, old)
        if kind.default is not None:
            kind.default(new)
        resource.strategy.narrow(self._subresource, new, old)
        if self._writer.operation == "Update":
            now, known = times.rfc3339(self._registry.clock.now()), self._registry.kind_of
            ownership.track(resource, self._writer, new, old, subresource=self._subresource, now=now, kind_of=known)

    async def _admit(self, new: Obj, old: Obj) -> AdmissionRequest:
        meta, writer, kind, view = old["metadata"], self._writer, self._resource.kind, self._view
        seen, before = (view.shown(new), view.shown(old)) if view else (new, old)
        request = AdmissionRequest(
            "UPDATE", kind, meta.get("namespace", ""), meta["name"], self._subresource, seen, before, writer.user,
            writer.dry_run, writer.options, writer.warnings, writer.annotations,
        )  # fmt: skip
        if self._subresource != "binding":  # admitted as the creation of one
            await self._registry.admission.mutate(request)
        if view:
            view.taken(new, seen)
        metadata.name_owners_once(new["metadata"], writer.warnings, mutated=True)
        if request.changed_outside:
            if kind.default is not None:
                _default_again(kind, new, old)
            self._resource.strategy.narrow(self._subresource, new, old)
        return request

    def _prepare(self, new: Obj, old: Obj) -> None:
        kind = self._resource.kind
        prepare = {"": kind.prepare_update, "status": kind.prepare_status}.get(self._subresource)
        if prepare is not None:
            prepare(new, old)
        if self._subresource != "binding":  # where a pod runs is no wish of its author
            metadata.raise_generation(kind, new, old)

    async def _commit(self, request: AdmissionRequest, new: Obj, stored: Obj, entry: Entry, live: bool) -> Written:
        registry, resource, writer = self._registry, self._resource, self._writer
        await resource.load([entry])
        await writer.run(self._check, new, entry)
        if self._subresource != "binding":
            await registry.admission.validate(request)
        stored["metadata"]["resourceVersion"] = str(entry.revision)
        if _released(stored):
            return await self._remove(stored, entry)
        key = resource.key(entry.namespace, entry.name)
        value, same = await writer.run(_encoded, stored, entry)
        if same and not registry.store.stale(key):
            if not live:
                raise Unverified
            await resource.load([entry])
            return Written(resource.obj(entry), resource.data(entry))
        if writer.dry_run:
            obj = await resource.from_stored(stored)
            return Written(obj, orjson.dumps(obj))
        ttl = registry.event_ttl if resource.plural == "events" else 0
        put = partial(registry.store.update, key, revision=entry.revision, ttl_seconds=ttl)
        update = partial(expected, registry, key, stored, put)
        revision, value = await ownership.store(update, stored, value, writer=writer)
        return await finish(resource, value, stored, revision)

    def _check(self, new: Obj, entry: Entry) -> None:
        resource, writer = self._resource, self._writer
        validate(resource, new, resource.obj(entry), self._subresource, warnings=writer.warnings)
        if self._subresource:
            return
        if resource.kind.update_warnings is not None:
            writer.warnings += resource.kind.update_warnings(new, resource.obj(entry))
        if resource.kind.custom:
            writer.warnings += metadata.finalizer_warnings(new, resource.obj(entry))

    async def _remove(self, stored: Obj, entry: Entry) -> Written:
        resource = self._resource
        if not self._writer.dry_run:
            key = resource.key(entry.namespace, entry.name)
            revision = await self._registry.store.delete(key, revision=entry.revision)
            stored["metadata"]["resourceVersion"] = str(revision)
            await resource.strategy.deleted(stored)
        obj = await resource.from_stored(stored)
        return Written(obj, orjson.dumps(obj))


def validate(resource: Resource, new: Obj, old: Obj, subresource: str, *, warnings: list[str]) -> None:
    """Raises Invalid with everything that is wrong with the new form of an object."""
    kind = resource.kind
    found = metadata.validate_update(new, old, strict=metadata.names_finalizers_strictly(kind))
    if kind.custom:
        found += kind.schema.validate(new, old=old, warnings=warnings, embedded=subresource != "status")
    if subresource:
        found += resource.strategy.validate(subresource, new, old)
    check = {"": kind.validate_update, "scale": kind.validate_update, "status": kind.validate_status}.get(subresource)
    if check is not None:
        found += check(new, old)
    if found:
        raise errors.invalid(kind.group, kind.kind, old["metadata"]["name"], found)


def _default_again(kind: Kind, new: Obj, old: Obj) -> None:
    """Fill in what admission left out, in place. What this path may not change is the old object's own and stays as it
    is: defaults of a custom resource may be newer than it."""
    assert kind.default is not None
    kept = {name: value for name, value in new.items() if type(value) is dict and value is old.get(name)}
    if not kept or not kind.custom:
        kind.default(new)
        return
    rest = {name: value for name, value in new.items() if name not in kept}
    kind.default(rest)
    new.update(rest)
    new.update(kept)


def _encoded(stored: Obj, entry: Entry) -> tuple[bytes, bool]:
    """The bytes to store, and whether they say what is there already."""
    return encoding.encode(stored), stored == entry.obj


def _released(stored: Obj) -> bool:
    """True for an object that was only waiting for its last finalizer."""
    meta = stored["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers"):
        return False
    if meta.get("deletionGracePeriodSeconds"):
        return False
    return not (stored.get("kind") == "Namespace" and (stored.get("spec") or {}).get("finalizers"))
