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

from kubelet.network import pod_network
from kubelet.network.firewall import HostPort
from kubelet.network.pod_network import PodNetwork, connect_inside
from kubelet.runtime.docker import bodies, inspection, labels, streams
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.images import CHANGES, Images
from kubelet.runtime.interface import (
    ContainerConfig,
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

PORTS = "pocketkube.io/host-ports"
STARTS_AT_ONCE = 4  # more only make each other slower: a start is CPU work of the engine
OUTPUT_LIMIT = 10 * 1024  # bytes of a probe's output that are kept, as upstream
FORBIDDEN_TO_CALL = "is not running"


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
        self._socket = socket_path
        self._images = Images(self._engine)
        self._kubelet = kubelet
        self._pause = pause_image
        self._network_name = network_name or kubelet
        self._cluster_cidr = cluster_cidr
        self._mtu = mtu
        self._network: PodNetwork | None = None
        self._network_problem = "no pod CIDR yet"
        self._engine_problem = "container runtime is not connected yet"
        self._records: dict[str, PodRecords] = {}
        self._listeners: list[Listener] = []
        self._synced = asyncio.Event()
        self._exits: dict[str, list[asyncio.Future[None]]] = {}
        self._abilities = bodies.Abilities.of_this_process()
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self._cidr = ""

    # state

    @property
    def records(self) -> Mapping[str, PodRecords]:
        return self._records

    @property
    def problem(self) -> str:
        return self._engine_problem or self._network_problem

    @property
    def engine_problem(self) -> str:
        return self._engine_problem

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def _changed(self, uid: str) -> None:
        for listener in self._listeners:
            listener(uid)

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
                for uid in ["", *self._records]:
                    self._changed(uid)
            await asyncio.sleep(backoff.next())

    async def _follow(self, backoff: Backoff) -> None:
        await self._engine.call(lambda client: client.ping())
        filters = json.dumps({"type": ["container", "image"]})
        reader, writer = await streams.connect(
            self._socket, "GET", self._engine.path("/events"), params={"filters": filters}
        )
        try:
            self._images.forget()
            await self._images.ensure_pause(self._pause)
            await self._list()
            await self._set_up_network()
            self._engine_problem = ""
            backoff.reset()
            self._synced.set()
            self._changed("")
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
        for pod in list(self._records.values()):
            for known in [*pod.sandboxes, *pod.containers]:
                if known not in ids:
                    self._forget(known)
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
            self._forget(actor["ID"])
        elif action in ("die", "start"):
            await self._refresh(actor["ID"], event=action)

    async def _refresh(self, container: str, *, event: str = "") -> None:
        known = self._find(container)
        if event == "start" and (known is None or known.state != "exited"):
            return  # our own start, whose record is being kept already
        try:
            body = await self._engine.call(lambda client: client.inspect_container(container))
        except EngineDown:
            raise
        except RuntimeFailure:
            self._forget(container)
            return
        if inspection.is_sandbox(body):
            self._keep_sandbox(inspection.sandbox(body))
        else:
            self._keep_container(inspection.container(body))

    def _keep_sandbox(self, seen: SandboxRecord) -> None:
        pod = self._records.setdefault(seen.pod_uid, PodRecords())
        known = pod.sandboxes.get(seen.id)
        if known is None:
            pod.sandboxes[seen.id] = seen
        else:
            known.state, known.pid = seen.state, seen.pid
        if seen.state == "exited":
            self._tell_exit(seen.id)
        self._changed(seen.pod_uid)

    def _keep_container(self, seen: ContainerRecord) -> None:
        pod = self._records.setdefault(seen.pod_uid, PodRecords())
        known = pod.containers.get(seen.id)
        if known is None:
            pod.containers[seen.id] = seen
        else:
            known.state, known.pid, known.error = seen.state, seen.pid, seen.error
            known.started_at, known.finished_at = seen.started_at or known.started_at, seen.finished_at
            known.exit_code, known.oom_killed = seen.exit_code, seen.oom_killed
        if seen.state == "exited":
            self._tell_exit(seen.id)
        self._changed(seen.pod_uid)

    def _find(self, container: str) -> SandboxRecord | ContainerRecord | None:
        for pod in self._records.values():
            found = pod.containers.get(container) or pod.sandboxes.get(container)
            if found is not None:
                return found
        return None

    def _forget(self, container: str) -> None:
        for uid, pod in list(self._records.items()):
            gone = pod.sandboxes.pop(container, None) or pod.containers.pop(container, None)
            if gone is None:
                continue
            if gone.state != "exited":
                gone.state = "exited"
                if isinstance(gone, ContainerRecord):
                    gone.finished_at, gone.exit_code = datetime.now(UTC), 137
            if not pod.sandboxes and not pod.containers:
                del self._records[uid]
            self._changed(uid)
        self._tell_exit(container)

    def _tell_exit(self, container: str) -> None:
        for waiter in self._exits.pop(container, ()):
            if not waiter.done():
                waiter.set_result(None)

    # network

    async def ensure_network(self, cidr: str) -> None:
        if self._cidr and cidr != self._cidr:
            log.error(
                "the node's pod CIDR changed from %s to %s: ignored until the kubelet starts anew", self._cidr, cidr
            )
            return
        self._cidr = cidr
        if not self._engine_problem:
            before = self._network_problem
            await self._set_up_network()
            if self._network_problem != before:
                self._changed("")

    async def _set_up_network(self) -> None:
        if not self._cidr:
            return
        try:
            if self._network is None:
                network = PodNetwork(
                    self._cidr, name=self._network_name, cluster_cidr=self._cluster_cidr, mtu=self._mtu
                )
                for sandbox in self._sandboxes():
                    if sandbox.ip:
                        network.pool.claim(sandbox.ip)
                        if sandbox.state == "running":
                            network.adopt_ports(sandbox.pod_uid, _ports(sandbox))
                await asyncio.to_thread(network.ensure)
                self._network = network
            else:
                await asyncio.to_thread(self._network.ensure)
            self._network_problem = ""
        except (OSError, ValueError) as e:
            self._network_problem = f"pod network {self._cidr}: {e}"
            log.error("%s", self._network_problem)

    def remove_network(self) -> None:
        """The bridge and its rules, at the end of the node. Blocking."""
        pod_network.remove(self._network_name)

    def _sandboxes(self) -> list[SandboxRecord]:
        return [s for pod in self._records.values() for s in pod.sandboxes.values()]

    # sandboxes

    async def create_sandbox(self, config: SandboxConfig) -> SandboxRecord:
        ip = "" if config.host_network else self._allocate(config.ip)
        wanted = replace(config, ip=ip, labels={**config.labels, **_port_label(config, ip)})
        body = bodies.sandbox(wanted, image=self._pause, kubelet=self._kubelet, abilities=self._abilities)
        try:
            container = await self._create_with_pause(body)
        except BaseException:
            self._release(ip)
            raise
        record = SandboxRecord(
            id=container, pod_uid=config.pod_uid, pod_name=config.pod_name, pod_namespace=config.pod_namespace,
            attempt=config.attempt, state="created", created_at=datetime.now(UTC), ip=ip, host_network=config.host_network,
            labels=body["Labels"],
        )  # fmt: skip
        self._records.setdefault(config.pod_uid, PodRecords()).sandboxes[container] = record
        return record

    async def _create_with_pause(self, body: bodies.Body) -> str:
        try:
            return await self._create(body)
        except ImageMissing:  # someone has removed unused images: this one is made, never pulled
            self._images.forget()
            await self._images.ensure_pause(self._pause)
            return await self._create(body)

    def _allocate(self, wanted: str) -> str:
        if self._network is None:
            raise RuntimeFailure(f"network is not ready: {self._network_problem}")
        if wanted and self._network.pool.claim(wanted):
            return wanted
        try:
            return self._network.pool.allocate()
        except LookupError as e:
            raise RuntimeFailure(str(e)) from e

    def _release(self, ip: str) -> None:
        if ip and self._network is not None:
            self._network.pool.release(ip)

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
            await self._attach(record)
        if record.state == "created":
            record.state = "running"

    async def _attach(self, record: SandboxRecord) -> None:
        network = self._network
        if network is None or not record.pid:
            raise RuntimeFailure("the sandbox ended before its network was set up")
        try:
            await asyncio.to_thread(network.attach, pid=record.pid, uid=record.pod_uid, ip=record.ip)
        except OSError as e:
            raise RuntimeFailure(f"failed to set up network for sandbox {record.id}: {e}") from e
        ports = _ports(record)
        if ports and (problem := await asyncio.to_thread(network.set_ports, record.pod_uid, ports)):
            raise RuntimeFailure(f"failed to publish host ports: {problem}")

    async def remove_sandbox(self, record: SandboxRecord) -> None:
        if self._network is not None and _ports(record):
            await asyncio.to_thread(self._network.set_ports, record.pod_uid, [])
        await self._remove(record.id)
        self._release(record.ip)

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
        self._records.setdefault(config.pod_uid, PodRecords()).containers[container] = record
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
        self._changed(record.pod_uid)

    async def signal_container(self, record: ContainerRecord, signal: str) -> None:
        try:
            await self._engine.call(lambda client: client.kill(record.id, signal))
        except EngineDown:
            raise
        except RuntimeFailure as e:
            if FORBIDDEN_TO_CALL not in str(e) and "No such container" not in str(e):
                raise
            await self._refresh(record.id)

    async def wait_exited(self, record: ContainerRecord, seconds: float | None) -> bool:
        if record.state == "exited":
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._exits.setdefault(record.id, []).append(waiter)
        done, _ = await asyncio.wait([waiter], timeout=seconds)
        return bool(done)

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
        self._forget(container)

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
        made = await self._engine.call(
            lambda client: client.exec_create(record.id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        )
        path = self._engine.path(f"/exec/{made['Id']}/start")
        body = {"Detach": False, "Tty": tty}
        reader, writer = await streams.connect(self._socket, "POST", path, body=body, hijack=True)

        async def resize(width: int, height: int) -> None:
            await self._engine.call(lambda client: client.exec_resize(made["Id"], height=height, width=width))

        async def exit_code() -> int:
            found = await self._engine.call(lambda client: client.exec_inspect(made["Id"]))
            return int(found.get("ExitCode") or 0)

        return streams.HijackedStreams(reader, writer, tty=tty, resize=resize, exit_code=exit_code)

    async def open_attach(self, record: ContainerRecord, *, stdin: bool, stdout: bool, stderr: bool) -> Streams:
        wanted = {"stream": "1", "stdin": str(int(stdin)), "stdout": str(int(stdout)), "stderr": str(int(stderr))}
        path = self._engine.path(f"/containers/{record.id}/attach")
        reader, writer = await streams.connect(self._socket, "POST", path, params=wanted, hijack=True)

        async def resize(width: int, height: int) -> None:
            await self._engine.call(lambda client: client.resize(record.id, height=height, width=width))

        async def exit_code() -> int:
            return 0

        return streams.HijackedStreams(reader, writer, tty=record.tty, resize=resize, exit_code=exit_code)

    async def connect_port(
        self, sandbox: SandboxRecord, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raw = await asyncio.to_thread(connect_inside, 0 if sandbox.host_network else sandbox.pid, port)
        return await asyncio.open_connection(sock=raw)

    async def logs(self, record: ContainerRecord, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        params = {
            "stdout": str(int(options.stream in ("all", "stdout"))),
            "stderr": str(int(options.stream in ("all", "stderr"))),
            "follow": str(int(options.follow)),
            "timestamps": str(int(options.timestamps)),
            "tail": "all" if options.tail is None else str(options.tail),
        }
        if options.since:
            params["since"] = f"{options.since:.9f}"
        path = self._engine.path(f"/containers/{record.id}/logs")
        reader, writer = await streams.connect(self._socket, "GET", path, params=params)
        try:
            async for frame in streams.frames(reader, tty=record.tty):
                yield frame
        finally:
            writer.close()

    # the rest

    async def version(self) -> Version:
        found = await self._engine.call(lambda client: client.info())
        return Version(
            name="docker", version=found.get("ServerVersion", ""), kernel=found.get("KernelVersion", ""),
            os_image=found.get("OperatingSystem", ""), root=found.get("DockerRootDir", ""),
        )  # fmt: skip

    async def usage(self, record: ContainerRecord) -> Usage:
        body = await self._engine.call(lambda client: client.stats(record.id, stream=False, one_shot=True))
        return inspection.usage(body)

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
        if self._network is not None:
            self._network.close()


def _port_label(config: SandboxConfig, ip: str) -> dict[str, str]:
    if not config.ports or not ip:
        return {}
    return {PORTS: json.dumps([[p.protocol, p.host_ip, p.host_port, ip, p.container_port] for p in config.ports])}


def _ports(record: SandboxRecord) -> list[HostPort]:
    return [HostPort(*entry) for entry in json.loads(record.labels.get(PORTS, "[]"))]
