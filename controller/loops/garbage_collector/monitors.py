"""Metadata of every deletable resource, watched: shared caches where a loop has one, metadata-only watches for the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from controller.context import Context
from controller.discovery import Discovery, Served, discover
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.client.informer import Informer
from pocketkube.client.resources import APISERVICES, CUSTOMRESOURCEDEFINITIONS, EVENTS, Resource
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Changed = Callable[[Resource, Obj], None]

REFRESH_SECONDS = 30.0  # for API servers whose aggregated groups change without an event
SETTLE_SECONDS = 0.2  # a new CRD's resource is served shortly after its event
SYNC_SECONDS = 30.0
_STARTS_AT_ONCE = 8
_IGNORED = {("", EVENTS.plural), ("events.k8s.io", EVENTS.plural)}
_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_KEPT = ("name", "namespace", "uid", "resourceVersion", "ownerReferences", "finalizers", "deletionTimestamp")


class MetadataClient(Client):
    """Reads objects' metadata only."""

    async def respond(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        return await super().respond(method, path, headers={**(headers or {}), "Accept": _LIST}, **more)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> AsyncIterator[httpx.Response]:
        async with super().stream(method, path, headers={**(headers or {}), "Accept": _WATCH}, **more) as response:
            yield response


def _metadata_only(obj: Obj) -> Obj:
    """Most of what a cache of everything would weigh is not about ownership."""
    metadata = obj["metadata"]
    return {"metadata": {k: metadata[k] for k in _KEPT if k in metadata}}


class Monitors:
    """Keeps one informer a served resource. `discovery` is what is watched now."""

    def __init__(self, context: Context, *, changed: Changed, deleted: Changed):
        self._context = context
        self._changed, self._deleted = changed, deleted
        self._client = MetadataClient(context.manager_client.config, user_agent="kube-controller-manager")
        self._informers: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._stir = asyncio.Event()
        self.discovery = Discovery(())
        self.synced = asyncio.Event()
        crds, services = context.informer(CUSTOMRESOURCEDEFINITIONS), context.informer(APISERVICES)
        for informer in (crds, services):
            informer.add_handler(on_add=self._stirred, on_update=self._updated, on_delete=self._stirred)

    def _stirred(self, obj: Obj) -> None:
        self._stir.set()

    def _updated(self, old: Obj, new: Obj) -> None:
        conditions = [(o.get("status") or {}).get("conditions") for o in (old, new)]
        if conditions[0] != conditions[1] or old["metadata"].get("generation") != new["metadata"].get("generation"):
            self._stir.set()

    async def run(self) -> None:
        try:
            while True:
                await self._refresh()
                if not self.synced.is_set():
                    await self._wait_synced()
                    self.synced.set()
                await self._wait()
        finally:
            await tasks.cancel(*self._tasks.values())
            await self._client.aclose()

    async def refresh(self) -> None:
        """Looks at once, for a kind that is not known yet."""
        self._stir.set()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._stir.wait(), REFRESH_SECONDS)
            await self._context.clock.sleep(SETTLE_SECONDS)
        except TimeoutError:
            pass
        self._stir.clear()

    async def _refresh(self) -> None:
        try:
            found = await discover(self._context.manager_client)
        except (errors.StatusError, httpx.HTTPError) as error:
            log.warning("discovery failed, trying again: %s", error)
            await self._context.clock.sleep(1.0)
            self._stir.set()
            return
        if found == self.discovery:
            return
        self.discovery = found
        wanted = {s.resource for s in found.served if _is_watched(s)}
        for resource in self._informers.keys() - wanted:
            if f"{resource.group}/{resource.version}" not in found.failed:
                self._drop(resource)
        await self._start(sorted(wanted - self._informers.keys()))

    async def _start(self, resources: list[Resource]) -> None:
        """A few at a time: sixty connections in one go would slow down everything else that starts."""
        for i in range(0, len(resources), _STARTS_AT_ONCE):
            group = resources[i : i + _STARTS_AT_ONCE]
            for resource in group:
                self._watch(resource)
            try:
                async with asyncio.timeout(2.0):
                    for resource in group:
                        await self._informers[resource].wait_synced()
            except TimeoutError:
                continue

    def _watch(self, resource: Resource) -> None:
        if resource in self._context.watched:
            informer = self._context.informer(resource)
        else:
            informer = Informer(self._client, resource, transform=_metadata_only, clock=self._context.clock)
            self._tasks[resource] = tasks.spawn(f"gc {resource.qualified}", informer.run())
        self._informers[resource] = informer
        informer.add_handler(
            on_add=lambda new: self._changed(resource, new),
            on_update=lambda old, new: self._changed(resource, new),
            on_delete=lambda old: self._deleted(resource, old),
        )

    def _drop(self, resource: Resource) -> None:
        """A kind that is no longer served has no objects."""
        informer = self._informers.pop(resource)
        if resource in self._tasks:
            self._tasks.pop(resource).cancel()
        for obj in informer.store.list():
            self._deleted(resource, obj)

    async def _wait_synced(self) -> None:
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                for informer in self._informers.values():
                    await informer.wait_synced()
        except TimeoutError:
            late = [r.qualified for r, i in self._informers.items() if not i.synced]
            log.warning("collecting without: %s", ", ".join(late))


def _is_watched(served: Served) -> bool:
    resource = served.resource
    return served.can("list", "watch", "delete") and (resource.group, resource.plural) not in _IGNORED
