"""Optimistic concurrency: try a change on the cached object, and again on what the store has when that was not the latest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.storage.cache import Entry
from apiserver.storage.interface import KeyMissing, RevisionMismatch
from pocketkube.api.meta import errors

T = TypeVar("T")

TRIES = 16


class Unverified(Exception):
    """An attempt found nothing to write on an entry that may be old: only the store can say whether that is so."""


async def attempt(
    registry: Registry,
    resource: Resource,
    *,
    namespace: str,
    name: str,
    change: Callable[[Entry, bool], Awaitable[T]],
    missing: Callable[[], Awaitable[T]] | None = None,
) -> T:
    """What `change(entry, live)` gives. `live` says that the entry was just read from the store: what is then refused is
    refused for good. `missing` is called where there is no object. Raises NotFound, Conflict after many tries, and what
    these raise.
    """
    entry = resource.cache.get(namespace, name)
    live = entry is None
    if entry is None:
        entry = await registry.live(resource, namespace, name)
    for _ in range(TRIES):
        if entry is None:
            if missing is None:
                raise errors.not_found(resource.group, resource.plural, name)
            return await missing()
        try:
            await resource.load([entry])
            return await change(entry, live)
        except RevisionMismatch as mismatch:
            entry = registry.entry(resource, mismatch.current)
        except KeyMissing:
            entry = None
        except (errors.StatusError, Unverified) as refusal:
            before = entry.revision
            if live:
                raise
            entry = await registry.live(resource, namespace, name)
            if entry is not None and entry.revision == before and isinstance(refusal, errors.StatusError):
                raise
        live = True
    raise errors.conflict(resource.group, resource.plural, name, errors.MODIFIED)
