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
from collections.abc import Mapping

from apiserver.storage.entry import EVERYTHING, Entry, Query
from apiserver.storage.interface import Batch, Change, Compacted, FutureRevision, Store
from apiserver.storage.resource import Getter, Obj, ResourceCache
from apiserver.storage.watcher import Format, Json, Watcher, frame
from pocketkube.base import tasks
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
OFFERS_KEPT = 1024


class WatchCache:
    def __init__(self, store: Store, *, prefix: str = "/registry/", clock: Clock | None = None) -> None:
        self.revision = 0  # how far the stream has been applied
        self._store = store
        self._prefix = prefix
        self._clock = clock or SystemClock()
        self._resources: dict[str, ResourceCache] = {}
        self._loading: dict[str, list[Change]] = {}  # resources registered while running -> what the stream brought meanwhile
        self._offers: dict[int, tuple[str, Obj]] = {}  # revision -> what a local writer wrote then
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # heap of (revision, order, future)
        self._order = itertools.count()
        self._ready = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Every registered resource is loaded and the stream runs."""
        return self._ready.is_set() and not self._loading

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
        """Keep the objects under `prefix` ("/registry/pods/"); while running too (it is `.ready` once loaded).

        `api_version` and `kind` are of the stored form. `fields`: field selectors beyond metadata.name and
        metadata.namespace, each with its getter; all are indexed. `pinned`: parsed objects are kept for good
        (small resources that are read as objects: namespaces, roles...). A registered prefix gives the same cache again.
        """
        if (known := self._resources.get(prefix)) is not None:
            return known
        resource = ResourceCache(
            prefix, api_version=api_version, kind=kind, namespaced=namespaced, fields=fields, pinned=pinned
        )
        self._resources[prefix] = resource
        if self._ready.is_set():
            self._loading[prefix] = []
            tasks.spawn(f"load {prefix}", self._load_late(resource))
        return resource

    def unregister(self, prefix: str) -> None:
        """Stop keeping a resource; its watches end."""
        resource = self._resources.pop(prefix, None)
        self._loading.pop(prefix, None)
        if resource is not None:
            resource.reset()

    def offer(self, key: str, revision: int, obj: Obj) -> None:
        """Give the parsed object that was just written, so that the stream need not parse it. `obj` belongs to the cache
        from now on and must carry its new resourceVersion. `key` is the full one."""
        if revision <= self.revision:
            return
        self._offers[revision] = (key, obj)
        if len(self._offers) > OFFERS_KEPT:
            del self._offers[next(iter(self._offers))]

    async def wait_fresh(self, revision: int | None = None, *, timeout: float = FRESH_SECONDS) -> int:
        """Wait until the cache has come to `revision`, or, if None, to the store's newest: whatever was acknowledged
        before this call is then seen. Gives the revision that the cache is at.

        Raises FutureRevision after `timeout` seconds, StoreUnavailable.
        """
        if revision is None:
            revision = await self._store.current_revision()
        if self.revision >= revision and self._ready.is_set():
            return self.revision
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (revision, next(self._order), future))
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            raise FutureRevision(revision, self.revision) from None
        return self.revision

    async def run(self) -> None:
        """Load and follow the store until cancelled. After a gap in the stream (compaction), load everything again."""
        bookmarks = asyncio.create_task(self._bookmark_forever(), name="watch cache bookmarks")
        try:
            while True:
                try:
                    await self._load()
                    async for batch in self._store.watch(self._prefix, after=self.revision):
                        await self._apply(batch)
                except Compacted as gone:
                    log.warning("the store's stream has a gap, loading again: %s", gone)
                finally:
                    self._lose()
        finally:
            await tasks.cancel(bookmarks)

    async def _load(self) -> None:
        found: dict[str, list[Entry]] = {prefix: [] for prefix in self._resources}
        revision = 0
        start = ""
        while True:
            page = await self._store.list(self._prefix, limit=PAGE, start=start, revision=revision)
            revision = revision or page.revision
            for stored in page.items:
                resource = self._resource_of(stored.key)
                if resource is not None and resource.prefix in found:
                    entry = self._entry(resource, stored.key, stored.value, stored.revision)
                    if entry is not None:
                        found[resource.prefix].append(entry)
            if not page.more:
                break
            start = page.items[-1].key + "\0"
        for prefix, entries in found.items():
            if prefix in self._resources:
                self._resources[prefix].load(entries, revision=revision)
        for prefix in self._resources.keys() - found.keys():  # registered while the pages came
            self._loading[prefix] = []
            tasks.spawn(f"load {prefix}", self._load_late(self._resources[prefix]))
        self._advance(revision)
        self._ready.set()
        self._wake()

    async def _load_late(self, resource: ResourceCache) -> None:
        """Load a resource that came while the stream runs, then apply what the stream brought meanwhile."""
        items = []
        revision, start = 0, ""
        while True:
            page = await self._store.list(resource.prefix, limit=PAGE, start=start, revision=revision)
            revision = revision or page.revision
            items += page.items
            if not page.more:
                break
            start = page.items[-1].key + "\0"
        if self._resources.get(resource.prefix) is not resource:
            return
        made = (self._entry(resource, stored.key, stored.value, stored.revision) for stored in items)
        resource.load([entry for entry in made if entry is not None], revision=revision)
        for change in self._loading.pop(resource.prefix, []):
            self._apply_change(resource, change)
        resource.current = max(resource.current, self.revision)

    def _resource_of(self, key: str) -> ResourceCache | None:
        """The resource that a key belongs to: the first or the first two segments below the prefix name it."""
        at = key.find("/", len(self._prefix)) + 1
        if not at:
            return None
        resource = self._resources.get(key[:at])
        if resource is None:
            resource = self._resources.get(key[: key.find("/", at) + 1])
        return resource

    def _entry(
        self, resource: ResourceCache, key: str, value: bytes, revision: int, obj: Obj | None = None
    ) -> Entry | None:
        try:
            return resource.entry(key, value, revision=revision, obj=obj)
        except (ValueError, KeyError, TypeError, AttributeError) as failure:
            log.error("the stored value of %s cannot be read and is left out: %s", key, failure)
            return None

    async def _apply(self, batch: Batch) -> None:
        for number, change in enumerate(batch.changes, 1):
            resource = self._resource_of(change.key)
            if resource is None:
                continue
            if (waiting := self._loading.get(resource.prefix)) is not None:
                waiting.append(change)
            else:
                self._apply_change(resource, change)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self._advance(batch.revision)
        self._wake()

    def _apply_change(self, resource: ResourceCache, change: Change) -> None:
        if change.revision <= resource.current:
            return  # the resource was loaded later than this
        if change.deleted:
            resource.remove(change.key, revision=change.revision)
            return
        offered = self._offers.pop(change.revision, None)
        obj = offered[1] if offered is not None and offered[0] == change.key else None
        entry = self._entry(resource, change.key, change.value, change.revision, obj)
        if entry is not None:
            resource.put(entry)

    def _advance(self, revision: int) -> None:
        self.revision = max(self.revision, revision)
        for resource in self._resources.values():
            resource.current = max(resource.current, revision)
