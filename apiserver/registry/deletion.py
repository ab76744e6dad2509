"""Delete one object: preconditions, propagation as finalizers, grace; then either mark it or remove it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import orjson

from apiserver.interfaces import AdmissionRequest
from apiserver.registry.attempts import Unverified, attempt
from apiserver.registry.creation import expected, finish
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.registry.strategy import Strategy
from apiserver.registry.writer import Writer
from apiserver.storage import encoding
from apiserver.storage.cache import Entry
from pocketkube.api.meta import errors, times

Obj = dict[str, Any]

Deleted = tuple[Obj, bytes, bool]

_PROPAGATION = ("orphan", "foregroundDeletion")


async def delete(
    registry: Registry,
    resource: Resource,
    writer: Writer,
    options: Obj,
    *,
    namespace: str,
    name: str,
    of_collection: bool = False,
) -> Deleted:
    """(object in the served version, its bytes, True if it is gone). `options` are DeleteOptions. Raises NotFound, Conflict."""
    run = _Deletion(registry, resource, writer, options, of_collection)
    return await attempt(registry, resource, namespace=namespace, name=name, change=run.on)


class _Deletion:
    """One request to delete, and each step of it on one entry."""

    def __init__(self, registry: Registry, resource: Resource, writer: Writer, options: Obj, of_collection: bool):
        self._registry = registry
        self._resource = resource
        self._writer = writer
        self._options = options
        self._of_collection = of_collection

    async def on(self, entry: Entry, live: bool) -> Deleted:
        """Raises RevisionMismatch, KeyMissing, Unverified."""
        resource, options = self._resource, self._options
        old = resource.obj(entry)
        _check_preconditions(resource, old, options)
        if resource.kind.delete_warnings is not None:
            self._writer.warnings[:] = resource.kind.delete_warnings(options)
        await self._admit(entry, old)
        if _removable(resource, entry.obj, options):
            return await self._remove(entry)
        marked: Obj = orjson.loads(entry.data)
        if not _mark(self._registry, resource, marked, options):
            return await self._remove(entry)
        if marked != entry.obj:
            return await self._update(entry, marked)
        if not live:
            raise Unverified
        await resource.load([entry])
        return old, resource.data(entry), False

    async def _admit(self, entry: Entry, old: Obj) -> None:
        writer, kind = self._writer, self._resource.kind
        request = AdmissionRequest(
            "DELETE", kind, entry.namespace, entry.name, "", None, old, writer.user, writer.dry_run, self._options,
            writer.warnings, writer.annotations, self._of_collection,
        )  # fmt: skip
        await self._registry.admission.mutate(request)
        await self._registry.admission.validate(request)

    async def _update(self, entry: Entry, marked: Obj) -> Deleted:
        registry, resource = self._registry, self._resource
        if self._writer.dry_run:
            obj = await resource.from_stored(marked)
            return obj, orjson.dumps(obj), False
        key = resource.key(entry.namespace, entry.name)
        value = encoding.encode(marked)
        update = partial(registry.store.update, key, revision=entry.revision)
        revision = await expected(registry, key, marked, update, value)
        written = await finish(resource, value, marked, revision)
        return written.obj, written.data, False

    async def _remove(self, entry: Entry) -> Deleted:
        resource = self._resource
        await resource.load([entry])
        obj = resource.obj(entry)
        data = resource.data(entry) if resource.kind.graceful is None else self._last_words(obj)
        if self._writer.dry_run:
            return obj, data, True
        key = resource.key(entry.namespace, entry.name)
        revision = await self._registry.store.delete(key, revision=entry.revision)
        await resource.strategy.deleted(entry.obj)
        return obj, encoding.replace_revision(data, revision), True

    def _last_words(self, obj: Obj) -> bytes:
        """An object that could have had a period of grace says that it had none."""
        meta = dict(obj["metadata"])
        _set_deletion(self._registry, meta, 0, self._resource)
        return orjson.dumps({**obj, "metadata": meta})


def _removable(resource: Resource, obj: Obj, options: Obj) -> bool:
    """The plain case, decided without a copy: no grace, no finalizers, nothing asked that needs one."""
    meta = obj["metadata"]
    if meta.get("finalizers") or _policy(resource, meta, options) in ("Orphan", "Foreground"):
        return False
    if type(resource.strategy).deleting is not Strategy.deleting:
        return False
    return resource.kind.graceful is None or resource.kind.graceful(obj, options) == 0


def _check_preconditions(resource: Resource, obj: Obj, options: Obj) -> None:
    wanted = options.get("preconditions") or {}
    meta = obj["metadata"]
    for field_name, title, key in (("uid", "UID", "uid"), ("resourceVersion", "ResourceVersion", "resourceVersion")):
        value = wanted.get(field_name)
        if value is not None and value != meta[key]:
            then = "deleted and then recreated" if title == "UID" else "modified"
            why = (
                f"the {title} in the precondition ({value}) does not match the {title} in record ({meta[key]}). "
                f"The object might have been {then}"
            )
            raise errors.conflict(resource.group, resource.kind.kind, meta["name"], why)  # upstream names the kind


def _mark(registry: Registry, resource: Resource, obj: Obj, options: Obj) -> bool:
    """Bring the object to its deleting form, in place; False if nothing holds it."""
    meta = obj["metadata"]
    held = resource.strategy.deleting(obj)
    finalizers = _finalizers(meta, _policy(resource, meta, options))
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    grace = resource.kind.graceful(obj, options) if resource.kind.graceful is not None else 0
    if not (grace or finalizers or held):
        return False
    _set_deletion(registry, meta, grace, resource)
    return True


def _set_deletion(registry: Registry, meta: Obj, grace: int, resource: Resource) -> None:
    """Deletion moves only closer: a second request may shorten the grace period, never lengthen it."""
    now = registry.clock.now()
    if "deletionTimestamp" in meta:
        before = meta.get("deletionGracePeriodSeconds") or 0
        if grace >= before:
            return
        asked = times.parse(meta["deletionTimestamp"]) - timedelta(seconds=before)
        meta["deletionTimestamp"] = times.rfc3339(max(asked + timedelta(seconds=grace), now))
        meta["deletionGracePeriodSeconds"] = grace
        return
    meta["deletionTimestamp"] = times.rfc3339(now + timedelta(seconds=grace))
    if resource.strategy.marks_grace:
        meta["deletionGracePeriodSeconds"] = grace
    if meta.get("generation"):
        meta["generation"] += 1


def _policy(resource: Resource, meta: Obj, options: Obj) -> str | None:
    """What shall become of the dependents: as asked, or as the kind does by default, or None."""
    if not resource.kind.has_dependents:
        return "Background"
    policy: str | None = options.get("propagationPolicy")
    if policy is None and options.get("orphanDependents") is not None:
        return "Orphan" if options["orphanDependents"] else "Background"
    if (
        policy is None
        and resource.kind.orphans
        and not any(name in _PROPAGATION for name in meta.get("finalizers") or ())
    ):
        return "Orphan"
    return policy


def _finalizers(meta: Obj, policy: str | None) -> list[str]:
    """The finalizers that the propagation policy leaves; without a policy those that are there stay."""
    present: list[str] = meta.get("finalizers") or []
    if policy is None:
        return present
    kept = [name for name in present if name not in _PROPAGATION]
    added = {"Orphan": ["orphan"], "Foreground": ["foregroundDeletion"]}.get(policy, [])
    return kept + added
