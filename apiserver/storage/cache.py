"""The watch cache: one stream of the whole store keeps every resource in memory, as ready bytes beside parsed objects.

    store ──list at revision R, then one watch after R──▶ WatchCache ──by key prefix──▶ ResourceCache ──▶ Watcher, Watcher...

Reads are consistent: `wait_fresh` asks the store for its newest revision and waits until the stream has brought it. The
stream covers every key of the store, so each revision arrives in it and no progress need be asked for.

A worked example. `web` is created at revision 7 and `db` at 8; a watcher of app=web asks from 6:
revision 9 changes web's label to app=old. The watcher gets ADDED web at 7 out of history, nothing for db, and for 9 a
DELETED that shows web as it was at 7, with resourceVersion 9. A watcher of app=old gets ADDED web at 9.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from apiserver.storage.entry import EVERYTHING, Entry, Query
from apiserver.storage.interface import (
    Batch,
    Change,
    Compacted,
    FutureRevision,
    Page,
    Store,
    Stored,
    StoreUnavailable,
)
from apiserver.storage.resource import Getter, Obj, Position, ResourceCache
from apiserver.storage.watcher import Format, Json, Watcher, frame
from pocketkube.base import tasks
from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import Clock, SystemClock

__all__ = [
    "EVERYTHING",
    "Entry",
    "Format",
    "Json",
    "Query",
    "ResourceCache",
    "WatchCache",
    "Watcher",
    "frame",
]

log = logging.getLogger(__name__)

FRESH_SECONDS = 3.0
BOOKMARK_SECONDS = 60.0
PAGE = 1000
SLICE = 200  # changes applied before other tasks get a turn
LOAD_SLICE = 250  # objects read before other tasks get a turn
LOAD_BYTES = 1 << 20
EXPECTED_KEPT = 1024
OWN_KEPT = 4096


class Late(NamedTuple):
    """A resource being loaded beside the running stream, and what the stream brought for it meanwhile."""

    task: asyncio.Task[None]
    changes: list[Change]


class Expected(NamedTuple):
    """What a local writer is writing: the stored bytes, and what they are parsed."""

    value: bytes
    obj: Obj


class WatchCache:
    def __init__(self, store: Store, *, prefix: str = "/registry/", clock: Clock | None = None) -> None:
        self._store = store
        self._prefix = prefix
        self._clock = clock or SystemClock()
        self._position = Position()
        self._resources: dict[str, ResourceCache] = {}
        self._late: dict[str, Late] = {}  # resources that were registered while the stream runs and are not loaded yet
        self._expected: dict[str, Expected] = {}  # key -> what is being written to it here
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # heap of (revision, order, future)
        self._order = itertools.count()
        self._ready = asyncio.Event()
        self._own: dict[int, Change] = {}  # acknowledged writes of this process by revision, not yet applied
        self._scheduled = False
        store.acknowledged = self._acknowledged

    @property
    def revision(self) -> int:
        """How far the store's stream has been applied."""
        return self._position.revision

    @property
    def ready(self) -> bool:
        """What was registered before the start is loaded, and the stream runs."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        await self._ready.wait()

    def register(
        self,
        prefix: str,
        *,
        api_version: str,
        kind: str,
        namespaced: bool,
        fields: Mapping[str, Getter] | None = None,
        pinned: bool = False,
    ) -> ResourceCache:
        """Keep the objects under `prefix` ("/registry/pods/"). While running too: then await `wait_loaded`.

        `api_version` and `kind` are of the stored form. `fields`: field selectors beyond metadata.name and
        metadata.namespace, each with its getter; all are indexed. `pinned`: parsed objects are kept for good
        (small resources that are read as objects: namespaces, roles...). A registered prefix gives the same cache again.
        """
        if (known := self._resources.get(prefix)) is not None:
            return known
        resource = ResourceCache(
            prefix,
            self._position,
            api_version=api_version,
            kind=kind,
            namespaced=namespaced,
            fields=fields,
            pinned=pinned,
        )
        self._resources[prefix] = resource
        if self._ready.is_set():
            self._begin_late(resource)
        return resource

    def unregister(self, prefix: str) -> None:
        """Stop keeping a resource; its watches end."""
        resource = self._resources.pop(prefix, None)
        if (late := self._late.pop(prefix, None)) is not None:
            late.task.cancel()
        if resource is not None:
            resource.reset()

    async def wait_loaded(self, resource: ResourceCache, *, timeout: float = FRESH_SECONDS) -> None:
        """Wait until a resource can be read. Raises StoreUnavailable after `timeout` seconds."""
        if resource.ready:
            return
        try:
            async with asyncio.timeout(timeout):
                while not resource.ready and self._resources.get(resource.prefix) is resource:
                    late = self._late.get(resource.prefix)
                    await (asyncio.wait([late.task]) if late else self._next_load())
        except TimeoutError:
            raise StoreUnavailable(f"{resource.prefix} is not loaded within {timeout:g} s") from None
        if not resource.ready:
            raise StoreUnavailable(f"{resource.prefix} is no longer kept")

    def expect(self, key: str, value: bytes, obj: Obj) -> None:
        """A local writer is about to write `value`, which is `obj` parsed: when the stream brings it, often before the
        writer hears of it, it is not parsed again. Then `obj` belongs to the cache and has its resourceVersion. `key` is
        the full one. Call `unexpect` where the write failed."""
        self._expected[key] = Expected(value, obj)
        if len(self._expected) > EXPECTED_KEPT:
            del self._expected[next(iter(self._expected))]

    def unexpect(self, key: str, obj: Obj) -> None:
        expected = self._expected.get(key)
        if expected is not None and expected.obj is obj:
            del self._expected[key]

    async def wait_fresh(self, revision: int | None = None, *, timeout: float = FRESH_SECONDS) -> int:
        """Wait until the cache has come to `revision`, or, if None, to the store's newest: whatever was acknowledged
        before this call is then seen. Gives the revision that the cache is at.

        Raises FutureRevision after `timeout` seconds, StoreUnavailable.
        """
        if revision is None:
            revision = await self._store.current_revision()
        if self._position.revision >= revision and self._ready.is_set():
            return self._position.revision
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (revision, next(self._order), future))
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            raise FutureRevision(revision, self._position.revision) from None
        return self._position.revision

    async def run(self) -> None:
        """Load and follow the store until cancelled. After a gap in the stream (compaction), load everything again."""
        bookmarks = asyncio.create_task(self._bookmark_forever(), name="watch cache bookmarks")
        backoff = Backoff(0.1, 5.0, jitter=0.2)
        try:
            while True:
                try:
                    await self._load()
                    backoff.reset()
                    async for batch in self._store.watch(self._prefix, after=self._position.revision):
                        await self._apply(batch)
                except Compacted as gap:
                    log.warning("the store's stream has a gap, loading again: %s", gap)
                except StoreUnavailable as failure:
                    log.warning("cannot load from the store yet: %s", failure)
                self._lose()
                await self._clock.sleep(backoff.next())
        finally:
            self._lose()
            await tasks.cancel(bookmarks)

    async def _load(self) -> None:
        found = {resource: resource.another() for resource in self._resources.values()}
        revision = 0
        async for page in self._pages(self._prefix):
            revision = revision or page.revision
            async for stored in _by_turns(page.items):
                resource = self._resource_of(stored.key)
                if resource in found and (entry := _entry(resource, stored)) is not None:
                    found[resource].append(entry)
        self._position.revision = revision
        for resource, entries in found.items():
            if self._resources.get(resource.prefix) is resource:
                resource.load(entries, revision=revision)
        tasks.settle()
        self._ready.set()
        for resource in self._resources.values():
            if resource not in found:  # registered while the pages came
                self._begin_late(resource)
        self._wake()

    async def _pages(self, prefix: str) -> AsyncIterator[Page]:
        """Everything under a prefix as it was at the first page's revision."""
        page = await self._store.list(prefix, limit=PAGE)
        revision = page.revision
        yield page
        while page.more:
            start = page.items[-1].key + "\0"
            page = await self._store.list(prefix, limit=PAGE, start=start, revision=revision)
            yield page

    def _begin_late(self, resource: ResourceCache) -> None:
        task = tasks.spawn(f"load {resource.prefix}", self._load_late(resource))
        self._late[resource.prefix] = Late(task, [])

    async def _load_late(self, resource: ResourceCache) -> None:
        """Load one resource beside the running stream, then apply what the stream brought for it meanwhile."""
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                entries, revision = resource.another(), 0
                async for page in self._pages(resource.prefix):
                    revision = revision or page.revision
                    async for stored in _by_turns(page.items):
                        if (entry := _entry(resource, stored)) is not None:
                            entries.append(entry)
                break
            except (Compacted, StoreUnavailable) as failure:
                log.warning("cannot load %s yet: %s", resource.prefix, failure)
                await self._clock.sleep(backoff.next())
        resource.load(entries, revision=revision)
        for change in self._late.pop(resource.prefix).changes:
            self._apply_change(resource, change)

    def _resource_of(self, key: str) -> ResourceCache | None:
        """Whose object a key is: the first segment below the prefix names the resource, or the first two."""
        at = key.find("/", len(self._prefix)) + 1
        resource = self._resources.get(key[:at])
        if resource is None and at:
            resource = self._resources.get(key[: key.find("/", at) + 1])
        return resource

    def _acknowledged(self, change: Change) -> None:
        if change.revision <= self._position.revision or not self._ready.is_set():
            return
        self._own[change.revision] = change
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._apply_own)

    def _apply_own(self) -> None:
        """Apply acknowledged writes as far as they continue the revision; later ones wait for the stream to fill the gap."""
        self._scheduled = False
        start = revision = self._position.revision
        while (change := self._own.pop(revision + 1, None)) is not None:
            self._route(change)
            revision += 1
        if revision > start:
            self._advance(revision)

    async def _apply(self, batch: Batch) -> None:
        done, last = 0, self._position.revision
        for change in batch.changes:
            if change.revision <= self._position.revision:
                continue
            if done >= SLICE and change.revision > last:
                self._advance(last)
                await asyncio.sleep(0)
                done = 0
            last = change.revision
            done += 1
            self._route(change)
        if batch.revision > self._position.revision:
            self._advance(batch.revision)
        if self._own:
            keep = len(self._own) <= OWN_KEPT  # otherwise the stream brings them in its time
            self._own = {at: change for at, change in self._own.items() if keep and at > self._position.revision}
            self._apply_own()

    def _route(self, change: Change) -> None:
        resource = self._resource_of(change.key)
        if resource is None:
            return
        if (late := self._late.get(resource.prefix)) is not None:
            late.changes.append(change)
        else:
            self._apply_change(resource, change)

    def _apply_change(self, resource: ResourceCache, change: Change) -> None:
        if change.revision <= resource.loaded:
            return
        if change.deleted:
            resource.remove(change.key, revision=change.revision)
            return
        expected = self._expected.pop(change.key, None)
        entry: Entry | None
        if expected is not None and expected.value == change.value:
            entry = resource.expected(change.key, change.value, expected.obj, revision=change.revision)
        else:
            entry = _entry(resource, Stored(change.key, change.value, change.revision))
        if entry is not None:
            resource.put(entry)

    def _advance(self, revision: int) -> None:
        self._position.revision = revision
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._position.revision:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    def _lose(self) -> None:
        self._ready.clear()
        self._own.clear()
        self._expected.clear()
        for late in self._late.values():
            late.task.cancel()
        self._late.clear()
        for resource in self._resources.values():
            resource.reset()

    async def _next_load(self) -> None:
        """Until the next load is complete."""
        await self._ready.wait()
        await asyncio.sleep(0)

    async def _bookmark_forever(self) -> None:
        while True:
            await self._clock.sleep(BOOKMARK_SECONDS)
            for resource in list(self._resources.values()):
                resource.bookmark()


async def _by_turns(items: Sequence[Stored]) -> AsyncIterator[Stored]:
    """All items; others have their turn after every LOAD_SLICE of them, or LOAD_BYTES."""
    size = 0
    for at, stored in enumerate(items, 1):
        yield stored
        size += len(stored.value)
        if at % LOAD_SLICE == 0 or size >= LOAD_BYTES:
            size = 0
            await asyncio.sleep(0)


def _entry(resource: ResourceCache, stored: Stored) -> Entry | None:
    try:
        return resource.entry(stored.key, stored.value, revision=stored.revision)
    except (ValueError, KeyError, TypeError, AttributeError) as failure:
        log.error("the stored value of %s cannot be read and is left out: %s", stored.key, failure)
        return None
