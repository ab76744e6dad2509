"""Follows APIServices: one task for each that another server answers, which keeps its condition and its documents.

APIService with a service ── checked when it, its service or its endpoints change, and from time to time
APIService without        ── this server's own: always available
CustomResourceDefinition  ── gets APIServices of the second sort, by registration.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import orjson

from apiserver.aggregation import registration
from apiserver.aggregation.checking import Checker
from apiserver.aggregation.measures import Measures
from apiserver.aggregation.registration import CRDS, GROUP, PLURAL
from apiserver.aggregation.service import Resolver, Service
from apiserver.backends import Backends
from apiserver.interfaces import Cluster
from apiserver.registry.registry import Registry
from apiserver.storage.cache import Query, Watcher
from apiserver.storage.interface import StoreError
from pocketkube.api.kinds.apiregistration.apiservice import LOCAL
from pocketkube.api.meta import errors, objects, times
from pocketkube.base import tasks
from pocketkube.base.backoff import Backoff

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Key = tuple[str, str]  # group, version

RESYNC_SECONDS = 30.0
RETRY_SECONDS = 0.5
FIRST_RETRY_SECONDS = 0.1


class Aggregation:
    """`services` are those that other servers answer; `generation` rises whenever what they say of themselves changes."""

    def __init__(self, cluster: Cluster, registry: Registry, resolver: Resolver, *, backends: Backends):
        self._cluster, self._registry = cluster, registry
        self.resolver = resolver
        self.checker = Checker(resolver, backends)
        self.measures = Measures(cluster)
        self.services: dict[Key, Service] = {}
        self.generation = 0
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._registered = False

    def find(self, group: str, version: str) -> Service | None:
        return self.services.get((group, version))

    def priorities(self) -> Mapping[Key, Obj]:
        """The spec of every APIService, by group and version."""
        found = (service["spec"] for service in self._cluster.list(GROUP, PLURAL))
        return {(spec.get("group") or "", spec.get("version") or ""): spec for spec in found}

    @property
    def revision(self) -> tuple[int, int]:
        """Changes whenever discovery may have to be made anew."""
        return self.generation, self._cluster.revision(GROUP, PLURAL)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._registry.cache.wait_ready()
                watchers = [self._registry.by_plural(*plural).cache.watch() for plural in ((GROUP, PLURAL), CRDS)]
                try:
                    while await self._pass() and await _changed(watchers):
                        pass
                finally:
                    for watcher in watchers:
                        watcher.close()
        finally:
            await tasks.cancel(*self._tasks.values())

    async def _pass(self) -> bool:
        """Bring everything in line; False where it has to be tried again."""
        try:
            self._follow()
            if not self._registered:
                await registration.register(self._cluster, self._registry)
                self._registered = True
            await registration.follow_crds(self._cluster, self._registry)
            for obj in self._cluster.list(GROUP, PLURAL):
                if not obj["spec"].get("service"):
                    await self._write(obj["metadata"]["name"], LOCAL)
        except (errors.StatusError, StoreError) as failure:
            log.info("APIServices are looked at again: %s", failure)
            await self._registry.clock.sleep(RETRY_SECONDS)
            return False
        return True

    def _follow(self) -> None:
        """Have a task for each APIService with a service, as it is now."""
        wanted: dict[Key, Obj] = {}
        for obj in self._cluster.list(GROUP, PLURAL):
            if obj["spec"].get("service") and obj["spec"].get("group"):
                wanted[obj["spec"]["group"], obj["spec"]["version"]] = obj
        for key in list(self._tasks):
            if key not in wanted or self.services[key].spec != wanted[key]["spec"]:
                self._tasks.pop(key).cancel()
                del self.services[key]
                self.generation += 1
        for key, obj in wanted.items():
            if key not in self._tasks:
                service = Service(*key, spec=obj["spec"], available=objects.is_true(obj, "Available"))
                self.services[key] = service
                self._tasks[key] = tasks.spawn(f"APIService {service.name}", self._look_after(service))
                self.generation += 1

    async def _look_after(self, service: Service) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, RESYNC_SECONDS)
        while True:
            await self._registry.cache.wait_ready()
            watchers = self._watch(service)
            try:
                await self._look(service)
                seconds = RESYNC_SECONDS if service.available else backoff.next()
                if service.available:
                    backoff.reset()
                await _changed(watchers, seconds=seconds)
            finally:
                for watcher in watchers:
                    watcher.close()

    def _watch(self, service: Service) -> list[Watcher]:
        """Whatever may make the service available or not."""
        reference = service.spec["service"]
        one = Query(namespace=reference["namespace"], name=reference["name"])
        slices = Query(namespace=one.namespace, labels=(("kubernetes.io/service-name", one.name),))
        found = ((("", "services"), one), (("", "endpoints"), one), (("discovery.k8s.io", "endpointslices"), slices))
        return [self._registry.by_plural(*plural).cache.watch(query) for plural, query in found]

    async def _look(self, service: Service) -> None:
        before = service.available, service.resources
        condition = await self.checker.check(service)
        service.available = condition["status"] == "True"
        if before != (service.available, service.resources):
            self.generation += 1
        try:
            await self._write(service.name, condition)
        except (errors.StatusError, StoreError) as failure:
            log.info("the condition of %s is not written: %s", service.name, failure)
        if service.available and await self.checker.read_openapi(service):
            self.generation += 1

    async def _write(self, name: str, condition: Obj) -> None:
        obj = self._cluster.get(GROUP, PLURAL, "", name)
        if obj is None:
            return
        known = objects.condition(obj, "Available") or {}
        if known.get("status") == "True" and condition["status"] != "True":
            self.measures.lost(name, condition["reason"])
        if all(known.get(part) == value for part, value in condition.items()):
            return
        new: Obj = orjson.loads(orjson.dumps(obj))
        conditions = new.setdefault("status", {}).setdefault("conditions", [])
        objects.set_condition(conditions, condition, times.rfc3339(self._registry.clock.now()))
        log.info("APIService %s: %s", name, condition["reason"])
        try:
            await self._cluster.update(GROUP, PLURAL, new, subresource="status")
        except (errors.Conflict, errors.NotFound):
            return  # another server says so, or it is gone


async def _changed(watchers: list[Watcher], *, seconds: float | None = None) -> bool:
    """Wait for a change, at most so long; False where a watch has ended."""
    waits: list[Coroutine[Any, Any, list[bytes]]] = [watcher.next() for watcher in watchers]
    running = [asyncio.create_task(wait, name="what an APIService needs") for wait in waits]
    try:
        done, _ = await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return all(task.result() for task in done)
    finally:
        await tasks.cancel(*running)
