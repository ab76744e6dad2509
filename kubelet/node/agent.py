"""Keeps the Node object true: registers it, writes its status when something changed or five minutes are over, renews its lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from kubelet.config import KubeletConfig
from kubelet.node import machine, status, transitions
from kubelet.runtime.interface import EngineDown, ImageRecord, Runtime, RuntimeFailure, Version
from pocketkube.api.meta import errors, times
from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import Clock
from pocketkube.client.resources import LEASES, NODES
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

ENGINE_SECONDS = 5.0  # that the first status waits for the engine
GRACE_SECONDS = 30.0  # that an engine which has worked may be away before the node is not ready; as upstream
LEASE_NAMESPACE = "kube-node-lease"
OLDEST = (20, 10)  # of Docker's versions
ENGINE_WORDS = "container runtime is down"
TRANSIENT = (errors.StatusError, httpx.HTTPError, OSError, TimeoutError)


class NodeAgent:
    """`pressure` tells which resources run short, `tell` gets (reason, message) of an event about the node.

    `seen` must be called with the node as the API has it.
    """

    def __init__(
        self,
        config: KubeletConfig,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        *,
        pressure: Callable[[], frozenset[str]] = frozenset,
        tell: Callable[[str, str], None] = lambda reason, message: None,
    ) -> None:
        self._config, self._client, self._runtime, self._clock = config, client, runtime, clock
        self._pressure = pressure
        self._tell = tell
        self.node: Obj | None = None
        self._changed = asyncio.Event()
        self._registered = asyncio.Event()
        self._written: Obj = {}
        self._reported = 0.0
        self._lost: float | None = -math.inf  # since when the engine is away, None while it is there
        self._version = Version(name="docker", version="")
        self._images: list[ImageRecord] = []
        self._lease: Obj | None = None
        self.addresses = config.node_ips or (machine.default_address(),)
        self.memory = machine.memory().total
        runtime.subscribe(lambda uid: None if uid else self._changed.set())

    def seen(self, node: Obj) -> None:
        self.node = node
        if status.significant(node.get("status") or {}) != status.significant(self._written):
            self._changed.set()

    def poke(self) -> None:
        """Something that the status shows has changed."""
        self._changed.set()

    @property
    def engine(self) -> Version:
        """The container engine, as last seen."""
        return self._version

    def allocatable(self) -> dict[str, str]:
        return dict(
            ((self.node or {}).get("status") or {}).get("allocatable") or status.allocatable(self._config, self.facts())
        )

    def facts(self) -> status.Facts:
        return status.Facts(
            hostname=self._config.node_name,
            addresses=self.addresses,
            cores=machine.cores(),
            memory=machine.memory(),
            disk=machine.disk(Path(self._version.root) if self._version.root else self._config.root_dir),
            architecture=machine.architecture(),
            version=self._version,
            os_image=machine.os_image(),
            machine_id=machine.text("/etc/machine-id"),
            system_uuid=machine.text("/sys/class/dmi/id/product_uuid") or machine.text("/etc/machine-id"),
            boot_id=machine.text("/proc/sys/kernel/random/boot_id"),
            images=self._images,
            problem=self._problem(),
            pressure=self._pressure(),
        )

    def _problem(self) -> str:
        """Why pods cannot run, in upstream's words. Its containers outlive an engine that is away for a moment, and so does Ready."""
        if too_old(self._version.version):
            return (
                f"{ENGINE_WORDS}: Docker {self._version.version} is too old, {OLDEST[0]}.{OLDEST[1]} or newer is needed"
            )
        words, now = _words(self._runtime.problem), self._clock.monotonic()
        if not words:
            self._lost = None
        elif words.startswith(ENGINE_WORDS):
            self._lost = now if self._lost is None else self._lost
            if now - self._lost < GRACE_SECONDS:
                return ""
        return words

    # registration

    async def register(self) -> None:
        """Until the node is in the API; adopts one that is there already."""
        backoff = Backoff(0.1, 7.0)
        while True:
            try:
                await self._register()
                break
            except TRANSIENT as e:
                log.warning("node %s not registered yet: %s", self._config.node_name, e)
                await self._clock.sleep(backoff.next())
        self._tell_of([], self._status(self.facts(), self.node or {}))
        self._registered.set()
        self._changed.set()

    async def _register(self) -> None:
        facts = self.facts()
        wanted = status.node_object(self._config, facts)
        try:
            if self._config.register_node:
                self.node = await self._client.create(NODES, {**wanted, "status": self._status(facts, wanted)})
                log.info("registered node %s", self._config.node_name)
                return
        except errors.AlreadyExists:
            pass  # of an earlier run: brought up to date below
        found = await self._client.get(NODES, self._config.node_name)
        own = status.labels(self._config, facts)
        stale = {k: v for k, v in own.items() if (found["metadata"].get("labels") or {}).get(k) != v}
        if stale and self._config.register_node:
            found = await self._client.patch(NODES, self._config.node_name, {"metadata": {"labels": stale}})
        self.node = found

    def _status(self, facts: status.Facts, node: Obj) -> Obj:
        return status.node_status(self._config, facts, node, now=times.rfc3339(self._clock.now()))

    # status

    async def run_status(self) -> None:
        self._tell("Starting", "Starting kubelet.")
        await self.register()
        with contextlib.suppress(TimeoutError):  # a restarted kubelet must not call a healthy node unready
            await asyncio.wait_for(self._runtime.wait_synced(), ENGINE_SECONDS)
        while True:
            await self._look_at_engine()
            try:
                await self._report()
            except errors.NotFound:
                self._written = {}
                await self.register()
                continue
            except TRANSIENT as e:
                log.warning("node status not written: %s", e)
                await self._clock.sleep(1.0)
                self._changed.set()
            await self._next_turn()

    async def _next_turn(self) -> None:
        waits = [
            asyncio.create_task(self._changed.wait()),
            asyncio.create_task(self._clock.sleep(self._config.status_update_seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._changed.clear()

    async def _look_at_engine(self) -> None:
        try:
            if not self._version.version or self._lost is not None:  # it may come back as another version
                self._version = await self._runtime.version()
            self._images = await self._runtime.images()
        except (EngineDown, RuntimeFailure) as e:
            log.debug("engine not looked at: %s", e)

    async def _report(self) -> None:
        facts = self.facts()
        wanted = self._status(facts, self.node or {})
        now = self._clock.monotonic()
        due = now - self._reported >= self._config.status_report_seconds
        if not due and status.significant(wanted) == status.significant(self._written):
            return
        before = ((self.node or {}).get("status") or {}).get("conditions") or []
        self.node = await self._client.patch(
            NODES, self._config.node_name, {"status": _replacing(wanted)}, type="strategic", subresource="status"
        )
        if self._ready(wanted) != self._ready(self._written):
            log.info(
                "node %s: %s", self._config.node_name, "ready" if not facts.problem else f"not ready: {facts.problem}"
            )
        if before:
            self._tell_of(before, wanted)
        self._written, self._reported = wanted, now

    def _tell_of(self, before: list[Obj], found: Obj) -> None:
        for reason in transitions.reasons(before, found["conditions"]):
            self._tell(reason, f"Node {self._config.node_name} status is now: {reason}")

    @staticmethod
    def _ready(found: Obj) -> str:
        return next((c["status"] for c in found.get("conditions") or () if c["type"] == "Ready"), "")

    # lease

    async def run_lease(self) -> None:
        await self._registered.wait()
        interval = self._config.lease_seconds / 4
        backoff = Backoff(0.2, 7.0)
        while True:
            try:
                await self._renew()
                backoff.reset()
                await self._clock.sleep(interval)
            except errors.Conflict:
                self._lease = None
            except TRANSIENT as e:
                self._lease = None
                log.warning("node lease not renewed: %s", e)
                await self._clock.sleep(backoff.next())

    async def _renew(self) -> None:
        name = self._config.node_name
        if self._lease is None:
            try:
                self._lease = await self._client.get(LEASES, name, LEASE_NAMESPACE)
            except errors.NotFound:
                self._lease = await self._client.create(LEASES, self._lease_body({}), LEASE_NAMESPACE)
                return
        self._lease = await self._client.update(LEASES, self._lease_body(self._lease))

    def _lease_body(self, old: Obj) -> Obj:
        name = self._config.node_name
        meta = {**(old.get("metadata") or {"name": name, "namespace": LEASE_NAMESPACE})}
        if self.node is not None and not meta.get("ownerReferences"):
            uid = self.node["metadata"]["uid"]
            meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]
        body = {**(old.get("spec") or {}), "holderIdentity": name, "leaseDurationSeconds": self._config.lease_seconds}
        body["renewTime"] = times.micro(self._clock.now())
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": body}


def too_old(version: str) -> bool:
    """Whether an engine lacks what the kubelet asks of it. One that does not say its version in numbers is believed."""
    found = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return len(found) == 2 and found < OLDEST


def _words(problem: str) -> str:
    if not problem:
        return ""
    if "pod CIDR" in problem or problem.startswith("pod network"):
        return f"container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:{problem}"
    return f"{ENGINE_WORDS}: {problem}"


def _replacing(wanted: Obj) -> Obj:
    """Addresses are replaced as a whole: by type they would merge with stale ones."""
    return {**wanted, "addresses": [{"$patch": "replace"}, *wanted["addresses"]]}
