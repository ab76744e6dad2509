"""From informers to the backend: which services changed, and one apply for all that changed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import Clock
from pocketkube.client.informer import Informer
from proxy import model
from proxy.backends import Backend, BackendError
from proxy.model import ServicePort

log = logging.getLogger(__name__)

Obj = dict[str, Any]
FULL_SYNC_SECONDS = 3600.0


def service_of_slice(obj: Obj) -> list[str]:
    """Index: the service that an EndpointSlice belongs to, as namespace/name."""
    name = (obj["metadata"].get("labels") or {}).get(model.SERVICE_NAME)
    return [f"{obj['metadata']['namespace']}/{name}"] if name else []


class Syncer:
    """Collects changed service keys and applies them; on failure everything is applied anew after a pause."""

    def __init__(
        self,
        services: Informer,
        slices: Informer,
        *,
        backend: Backend,
        node: str,
        clock: Clock,
        skip: frozenset[str] = frozenset(),
    ):
        self._services, self._slices = services, slices
        self._backend, self._node, self._clock, self._skip = backend, node, clock, skip
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._everything = True
        self.last_sync: float = 0.0  # of the clock's monotonic time; 0 before the first
        self.on_sync: Callable[[], None] = lambda: None
        services.add_handler(on_add=self._service, on_update=lambda _, new: self._service(new), on_delete=self._service)
        slices.add_handler(on_add=self._slice, on_update=self._slice_moved, on_delete=self._slice)

    def _service(self, obj: Obj) -> None:
        self._mark([f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"])

    def _slice(self, obj: Obj) -> None:
        self._mark(service_of_slice(obj))

    def _slice_moved(self, old: Obj, new: Obj) -> None:
        self._mark(service_of_slice(old))
        self._mark(service_of_slice(new))

    def _mark(self, keys: list[str]) -> None:
        self._dirty.update(keys)
        self._wake.set()

    async def run(self) -> None:
        await self._services.wait_synced()
        await self._slices.wait_synced()
        backoff = Backoff(0.2, 30.0)
        while True:
            try:
                await self._sync()
                backoff.reset()
            except BackendError as error:
                log.error("could not apply the service table: %s", error)
                self._everything = True
                await self._clock.sleep(backoff.next())
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), FULL_SYNC_SECONDS)
            except TimeoutError:
                self._everything = True

    async def _sync(self) -> None:
        self._wake.clear()
        everything, self._everything = self._everything, False
        dirty, self._dirty = self._dirty, set()
        keys = set(self._services.store.keys()) if everything else dirty
        changed = {key: self._ports(key) for key in keys}
        if changed or everything:
            await self._backend.apply(changed, everything=everything)
        self.last_sync = self._clock.monotonic()
        self.on_sync()

    def _ports(self, key: str) -> list[ServicePort]:
        service = self._services.store.get(key)
        if service is None or service["spec"].get("clusterIP") in self._skip:
            return []
        return model.service_ports(service, self._slices.store.by_index("service", key), self._node)
