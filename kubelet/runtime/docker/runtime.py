"""Docker as a Runtime: one event stream keeps the records current, the SDK does the work, the pod network is the kubelet's own.

A container dies: the engine's `die` event arrives within a millisecond, that one container is inspected, the pod's listener called.
Nothing is polled. After a lost stream (the engine restarted) everything is listed again and the differences are told.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kubelet.network.pod_network import connect_inside
from kubelet.runtime.docker import bodies, inspection, labels, sessions, streams
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.images import CHANGES, Images
from kubelet.runtime.docker.records import Records
from kubelet.runtime.docker.sandbox_network import SandboxNetwork, port_label
from kubelet.runtime.interface import (
    ContainerConfig,
    ContainerFiles,
    ContainerRecord,
    EngineDown,
    ImageMissing,
    ImageRecord,
    Listener,
    LogOptions,
    PodRecords,
    Resources,
    RuntimeFailure,
    SandboxConfig,
    SandboxRecord,
    Streams,
    Usage,
    Version,
)
from pocketkube.base.backoff import Backoff

log = logging.getLogger(__name__)

STARTS_AT_ONCE = 4  # more only make each other slower: a start is CPU work of the engine
OUTPUT_LIMIT = 10 * 1024  # bytes of a probe's output that are kept, as upstream
NOT_RUNNING = "is not running"


class DockerRuntime:
    """`kubelet` tells the containers of this kubelet from another's on the same engine; `network_name` names its bridge."""

    def __init__(
        self,
        socket_path: str,
        *,
        kubelet: str,
        pause_image: str,
        network_name: str = "",
        cluster_cidr: str = "",
        mtu: int = 1500,
    ) -> None:
        self._engine = Engine(socket_path)
        self._images = Images(self._engine)
        self._kubelet = kubelet
        self._pause = pause_image
        self._records = Records()
        self._network = SandboxNetwork(self._records, name=network_name or kubelet, cluster_cidr=cluster_cidr, mtu=mtu)
        self._engine_problem = "container runtime is not connected yet"
        self._synced = asyncio.Event()
        self._abilities = bodies.Abilities.of_this_process()
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)

    # state

    @property
    def records(self) -> Mapping[str, PodRecords]:
        return self._records.of

    @property
    def problem(self) -> str:
        return self._engine_problem or self._network.problem

    def subscribe(self, listener: Listener) -> None:
        self._records.subscribe(listener)

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def run(self) -> None:
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                await self._follow(backoff)
            except (EngineDown, RuntimeFailure, ConnectionError) as e:
                if not self._engine_problem:
                    log.error("container engine lost: %s", e)
                self._engine_problem = str(e)
                for uid in ["", *self._records.of]:
                    self._records.changed(uid)
            await asyncio.sleep(backoff.next())

    async def _follow(self, backoff: Backoff) -> None:
        await self._engine.call(lambda client: client.ping())
        filters = json.dumps({"type": ["container", "image"]})
        reader, writer = await streams.connect(
            self._engine.socket_path, "GET", self._engine.path("/events"), params={"filters": filters}
        )
        try:
            self._images.forget()
            await self._images.ensure_pause(self._pause)
            await self._list()
            await self._network.set_up()
            self._engine_problem = ""
            backoff.reset()
            self._synced.set()
            self._records.changed()
            async for event in streams.events(reader):
                await self._on_event(event)
        finally:
            writer.close()
        raise EngineDown("the Docker daemon closed its event stream")

    async def _list(self) -> None:
        """Read all of our containers; what is not there any more is forgotten."""
        filters = {"label": f"{labels.KUBELET}={self._kubelet}"}
        listed = await self._engine.call(lambda client: client.containers(all=True, filters=filters))
        ids = {entry["Id"] for entry in listed}
        for known in self._records.ids():
            if known not in ids:
                self._records.forget(known)
        await asyncio.gather(*(self._refresh(i) for i in ids))

    async def _on_event(self, event: Mapping[str, Any]) -> None:
        action = str(event.get("Action", "")).partition(":")[0]
        if event.get("Type") == "image":
            if action in CHANGES:
                self._images.forget()
            return
        actor = event.get("Actor") or {}
        if (actor.get("Attributes") or {}).get(labels.KUBELET) != self._kubelet:
            return
        if action == "destroy":
            self._records.forget(actor["ID"])
        elif action in ("die", "start"):
            await self._refresh(actor["ID"], event=action)

    async def _refresh(self, container: str, *, event: str = "") -> None:
        known = self._records.find(container)
        if event == "start" and (known is None or known.state != "exited"):
            return  # our own start, whose record is being kept already
        try:
            body = await self._engine.call(lambda client: client.inspect_container(container))
        except EngineDown:
            raise
        except RuntimeFailure:
            self._records.forget(container)
            return
        if inspection.is_sandbox(body):
            self._records.keep_sandbox(inspection.sandbox(body))
        else:
            self._records.keep_container(inspection.container(body))

    # network

    async def ensure_network(self, cidr: str) -> None:
        if self._network.assign(cidr) and not self._engine_problem:
            before = self._network.problem
            await self._network.set_up()
            if self._network.problem != before:
                self._records.changed()

    def remove_network(self) -> None:
        """The bridge and its rules, at the end of the node. Blocking."""
        self._network.remove()

    # sandboxes

    async def create_sandbox(self, config: SandboxConfig) -> SandboxRecord:
        ip = "" if config.host_network else self._network.allocate(config.ip)
        wanted = replace(config, ip=ip, labels={**config.labels, **port_label(config, ip)})
        body = bodies.sandbox(wanted, image=self._pause, kubelet=self._kubelet, abilities=self._abilities)
        try:
            container = await self._create_with_pause(body)
        except BaseException:
            self._network.release(ip)
            raise
        record = SandboxRecord(
            id=container, pod_uid=config.pod_uid, pod_name=config.pod_name, pod_namespace=config.pod_namespace,
            attempt=config.attempt, state="created", created_at=datetime.now(UTC), ip=ip, host_network=config.host_network,
            labels=body["Labels"],
        )  # fmt: skip
        self._records.pod(config.pod_uid).sandboxes[container] = record
        return record

    async def _create_with_pause(self, body: bodies.Body) -> str:
        try:
            return await self._create(body)
        except ImageMissing:  # someone has removed unused images: this one is made, never pulled
            self._images.forget()
            await self._images.ensure_pause(self._pause)
            return await self._create(body)

    async def _create(self, body: bodies.Body) -> str:
        name = labels.container_name(body["Labels"])
        for last in (False, True):
            try:
                made = await self._engine.call(lambda client: client.create_container_from_config(body, name))  # type: ignore[no-untyped-call]
                return str(made["Id"])
            except RuntimeFailure as e:
                if last or "is already in use by container" not in str(e):
                    raise
                await self._engine.call(lambda client: client.remove_container(name, v=True, force=True))
        raise AssertionError("unreachable")

    async def start_sandbox(self, record: SandboxRecord, config: SandboxConfig) -> None:
        async with self._starts:
            await self._engine.call(lambda client: client.start(record.id))
        if not config.host_network:
            body = await self._engine.call(lambda client: client.inspect_container(record.id))
            record.pid = int(body["State"].get("Pid") or 0)
            await self._network.attach(record)
        if record.state == "created":
            record.state = "running"

    async def remove_sandbox(self, record: SandboxRecord) -> None:
        await self._network.close_ports(record)
        await self._remove(record.id)
        self._network.release(record.ip)

    # containers

    async def create_container(self, sandbox: SandboxRecord, config: ContainerConfig) -> ContainerRecord:
        body = bodies.container(sandbox, config, kubelet=self._kubelet, abilities=self._abilities)
        container = await self._create(body)
        record = ContainerRecord(
            id=container,
            pod_uid=config.pod_uid,
            name=config.name,
            attempt=config.attempt,
            sandbox_attempt=config.sandbox_attempt,
            state="created",
            image=config.image,
            image_id=config.image_id,
            created_at=datetime.now(UTC),
            tty=config.tty,
            resources=config.resources,
            labels=body["Labels"],
        )
        self._records.pod(config.pod_uid).containers[container] = record
        return record

    async def start_container(self, record: ContainerRecord) -> None:
        try:
            async with self._starts:
                await self._engine.call(lambda client: client.start(record.id))
        except RuntimeFailure as e:
            record.state, record.exit_code, record.error = "exited", inspection.START_FAILED, str(e)
            record.started_at = record.finished_at = datetime.now(UTC)
            raise
        if record.state == "created":
            record.state, record.started_at = "running", datetime.now(UTC)
        self._records.changed(record.pod_uid)

    async def signal_container(self, record: ContainerRecord, signal: str) -> None:
        try:
            await self._engine.call(lambda client: client.kill(record.id, signal))
        except EngineDown:
            raise
        except RuntimeFailure as e:
            if NOT_RUNNING not in str(e) and "No such container" not in str(e):
                raise
            await self._refresh(record.id)

    async def wait_exited(self, record: ContainerRecord, seconds: float | None) -> bool:
        return await self._records.wait_exited(record, seconds)

    async def remove_container(self, record: ContainerRecord) -> None:
        await self._remove(record.id)

    async def _remove(self, container: str) -> None:
        try:
            await self._engine.call(lambda client: client.remove_container(container, v=True, force=True))
        except EngineDown:
            raise
        except RuntimeFailure as e:
            if "No such container" not in str(e) and "already in progress" not in str(e):
                raise
        self._records.forget(container)

    async def update_container(self, record: ContainerRecord, resources: Resources) -> None:
        limits = bodies.limits(resources, self._abilities)
        await self._engine.call(
            lambda client: client.update_container(
                record.id, cpu_shares=limits.get("CpuShares"), cpu_quota=limits.get("CpuQuota", -1),
                cpu_period=limits.get("CpuPeriod"), mem_limit=limits.get("Memory"), memswap_limit=limits.get("MemorySwap"),
            )
        )  # fmt: skip

    # streams

    async def exec_command(self, record: ContainerRecord, command: list[str], *, seconds: float) -> tuple[int, bytes]:
        async with asyncio.timeout(seconds):
            session = await self.open_exec(record, command, stdin=False, stdout=True, stderr=True, tty=False)
            try:
                output = b""
                while (chunk := await session.read())[0]:
                    output = (output + chunk[1])[:OUTPUT_LIMIT]
                return await session.exit_code(), output
            finally:
                await session.aclose()

    async def open_exec(
        self, record: ContainerRecord, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> Streams:
        return await sessions.open_exec(
            self._engine, record, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )

    async def open_attach(self, record: ContainerRecord, *, stdin: bool, stdout: bool, stderr: bool) -> Streams:
        return await sessions.open_attach(self._engine, record, stdin=stdin, stdout=stdout, stderr=stderr)

    async def connect_port(
        self, sandbox: SandboxRecord, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raw = await asyncio.to_thread(connect_inside, 0 if sandbox.host_network else sandbox.pid, port)
        return await asyncio.open_connection(sock=raw)

    def logs(self, record: ContainerRecord, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        return sessions.logs(self._engine, record, options)

    # the rest

    async def version(self) -> Version:
        found, pid = await self._engine.call(lambda client: (client.info(), self._engine.pid()))
        return Version(
            name="docker", version=found.get("ServerVersion", ""), kernel=found.get("KernelVersion", ""),
            os_image=found.get("OperatingSystem", ""), root=found.get("DockerRootDir", ""),
            pid=pid,
        )  # fmt: skip

    async def usage(self, record: ContainerRecord) -> Usage:
        body = await self._engine.call(lambda client: client.stats(record.id, stream=False, one_shot=True))
        return inspection.usage(body)

    async def files(self, record: ContainerRecord) -> ContainerFiles:
        return inspection.files(await self._engine.call(lambda client: client.inspect_container(record.id)))

    async def image(self, reference: str) -> ImageRecord | None:
        return await self._images.get(reference)

    async def images(self) -> list[ImageRecord]:
        return await self._images.list()

    async def pull(self, reference: str, auth: Mapping[str, Any] | None) -> ImageRecord:
        return await self._images.pull(reference, auth)

    async def remove_image(self, image_id: str) -> None:
        await self._images.remove(image_id)

    async def aclose(self) -> None:
        self._engine.close()
        self._network.close()
