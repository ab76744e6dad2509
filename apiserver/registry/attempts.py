"""Optimistic concurrency: try a change on the cached object, and again on what the store has when that was not the latest.

Who lost to another writer queues up, and with it all who come later: one after the other they find the latest object in the cache, and
only writers of other processes can still be faster.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.storage.cache import Entry
from apiserver.storage.interface import KeyMissing, RevisionMismatch
from pocketkube.api.meta import errors

T = TypeVar("T")

TRIES = 128  # each but the first lost to another process, or to a writer that had waited too long for its turn


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
    key = resource.key(namespace, name)
    turn = await registry.contention.turn(key) if key in registry.contention else None
    try:
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
                entry, live = registry.entry(resource, mismatch.current), True
                if turn is None:
                    turn = await registry.contention.turn(key)
                    entry, live = _latest(entry, resource.cache.get(namespace, name)), False
            except KeyMissing:
                entry, live = None, True
            except (errors.StatusError, Unverified) as refusal:
                if live:
                    raise
                before, live = entry.revision, True
                entry = await registry.live(resource, namespace, name)
                if entry is not None and entry.revision == before and isinstance(refusal, errors.StatusError):
                    raise
    finally:
        if turn is not None:
            turn.end()
    raise errors.conflict(resource.group, resource.plural, name, errors.MODIFIED)


def _latest(read: Entry, cached: Entry | None) -> Entry:
    """After a wait: what was read before it, or what the cache has by now, which may not be the store's."""
    return cached if cached is not None and cached.revision > read.revision else read
