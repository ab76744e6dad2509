"""A Runtime without an engine: for tests, and for simulated nodes. Containers do what a script says; time is a Clock's.

It survives its kubelet as a real engine does: give the same MemoryRuntime to the next one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubelet.network.ipam import AddressPool
from kubelet.runtime.interface import (
    ContainerConfig,
    ContainerFiles,
    ContainerRecord,
    EngineDown,
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
from pocketkube.base.clock import Clock

SIGNALS = {"SIGKILL": 9, "SIGTERM": 15, "SIGINT": 2, "SIGQUIT": 3}


@dataclass(frozen=True, slots=True)
class Script:
    """What a container does: runs for `seconds` (None: until told), exits with `code`. `heeds` are signals that end it.

    `fails` is why it cannot be started.
    """

    seconds: float | None = None
    code: int = 0
    heeds: frozenset[str] = frozenset({"SIGTERM", "SIGKILL"})
    log: bytes = b""
    fails: str = ""
    files: ContainerFiles = field(default_factory=ContainerFiles)


@dataclass(slots=True)
class _Container:
    config: ContainerConfig
    record: ContainerRecord
    script: Script
    timer: asyncio.Task[None] | None = None
    exited: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryRuntime:
    """`script(config)` chooses a container's script. `images` lists what is there; a pull adds what `registry` holds."""

    def __init__(
        self,
        clock: Clock,
        *,
        cidr: str = "10.244.0.0/24",
        script: Callable[[ContainerConfig], Script] = lambda config: Script(),
        images: tuple[str, ...] = (),
        registry: tuple[str, ...] = (),
    ) -> None:
        self._clock = clock
        self._pool = AddressPool(cidr)
        self._script = script
        self._images = {name: ImageRecord(id=f"sha256:{name}", tags=(name,), size=1000) for name in images}
        self._registry = registry
        self._records: dict[str, PodRecords] = {}
        self._containers: dict[str, _Container] = {}
        self._listeners: list[Listener] = []
        self._numbers = itertools.count(1)
        self.down = ""  # set: every call fails with this text
        self.starts: dict[tuple[str, str], int] = defaultdict(int)  # (pod uid, container) -> how often started
        self.most_at_once: dict[tuple[str, str], int] = defaultdict(int)
        self.executed: list[tuple[str, list[str]]] = []
        self.command: Callable[[ContainerRecord, list[str]], tuple[int, bytes]] = lambda record, command: (0, b"")

    @property
    def records(self) -> Mapping[str, PodRecords]:
        return self._records

    @property
    def problem(self) -> str:
        return self.down

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def _changed(self, uid: str) -> None:
        for listener in self._listeners:
            listener(uid)

    def _up(self) -> None:
        if self.down:
            raise EngineDown(self.down)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def wait_synced(self) -> None:
        return

    async def version(self) -> Version:
        return Version(name="memory", version="1")

    async def ensure_network(self, cidr: str) -> None:
        return

    def detach_kubelet(self) -> None:
        """The kubelet has died: it hears nothing any more, the containers go on."""
        self._listeners.clear()

    # sandboxes

    async def create_sandbox(self, config: SandboxConfig) -> SandboxRecord:
        self._up()
        await asyncio.sleep(0)
        record = SandboxRecord(
            id=f"s{next(self._numbers)}",
            pod_uid=config.pod_uid,
            pod_name=config.pod_name,
            pod_namespace=config.pod_namespace,
            attempt=config.attempt,
            state="created",
            created_at=self._clock.now(),
            ip="" if config.host_network else self._pool.allocate(),
            host_network=config.host_network,
            labels={
                "io.kubernetes.pod.name": config.pod_name,
                "io.kubernetes.pod.namespace": config.pod_namespace,
            },
        )
        self._records.setdefault(config.pod_uid, PodRecords()).sandboxes[record.id] = record
        return record

    async def start_sandbox(self, record: SandboxRecord, config: SandboxConfig) -> None:
        self._up()
        await asyncio.sleep(0)
        record.state = "running"

    async def remove_sandbox(self, record: SandboxRecord) -> None:
        self._up()
        await asyncio.sleep(0)
        pod = self._records.get(record.pod_uid)
        if pod is None or pod.sandboxes.pop(record.id, None) is None:
            return
        record.state = "exited"
        if record.ip:
            self._pool.release(record.ip)
        self._drop_if_empty(record.pod_uid)
        self._changed(record.pod_uid)

    def stop_sandbox(self, uid: str) -> None:
        """As by a reboot: the sandbox and all its containers end behind the kubelet's back."""
        pod = self._records[uid]
        for sandbox in pod.sandboxes.values():
            sandbox.state = "exited"
        for record in pod.running():
            self.exit(record, 137)
        self._changed(uid)

    # containers

    async def create_container(self, sandbox: SandboxRecord, config: ContainerConfig) -> ContainerRecord:
        self._up()
        await asyncio.sleep(0)
        pod = self._records.setdefault(config.pod_uid, PodRecords())
        if any(r.name == config.name and r.attempt == config.attempt for r in pod.containers.values()):
            raise RuntimeFailure(f"container {config.name} attempt {config.attempt} is there already")
        record = ContainerRecord(
            id=f"c{next(self._numbers)}",
            pod_uid=config.pod_uid,
            name=config.name,
            attempt=config.attempt,
            sandbox_attempt=config.sandbox_attempt,
            state="created",
            image=config.image,
            image_id=config.image_id,
            created_at=self._clock.now(),
            resources=config.resources,
            labels=dict(config.labels),
        )
        pod.containers[record.id] = record
        self._containers[record.id] = _Container(config, record, self._script(config))
        return record

    async def start_container(self, record: ContainerRecord) -> None:
        self._up()
        await asyncio.sleep(0)
        held = self._containers[record.id]
        now = self._clock.now()
        if held.script.fails:
            record.state, record.exit_code, record.error = "exited", 128, held.script.fails
            record.started_at = record.finished_at = now
            held.exited.set()
            raise RuntimeFailure(held.script.fails)
        record.state, record.started_at = "running", now
        key = (record.pod_uid, record.name)
        self.starts[key] += 1
        running = sum(r.name == record.name for r in self._records[record.pod_uid].running())
        self.most_at_once[key] = max(self.most_at_once[key], running)
        if held.script.seconds is not None:
            held.timer = asyncio.create_task(self._end(held))
        self._changed(record.pod_uid)

    async def _end(self, held: _Container) -> None:
        await self._clock.sleep(held.script.seconds or 0.0)
        self.exit(held.record, held.script.code)

    def exit(self, record: ContainerRecord, code: int, *, oom: bool = False) -> None:
        """The container ends by itself."""
        if record.state != "running":
            return
        held = self._containers[record.id]
        record.state, record.exit_code, record.oom_killed = "exited", code, oom
        record.finished_at = self._clock.now()
        held.exited.set()
        self._changed(record.pod_uid)

    async def signal_container(self, record: ContainerRecord, signal: str) -> None:
        self._up()
        await asyncio.sleep(0)
        held = self._containers.get(record.id)
        if held is not None and (signal in held.script.heeds or signal == "SIGKILL"):
            self.exit(record, 128 + SIGNALS.get(signal, 15))

    async def wait_exited(self, record: ContainerRecord, seconds: float | None) -> bool:
        held = self._containers.get(record.id)
        if held is None or record.state == "exited":
            return True
        if seconds == 0:
            return False
        if seconds is None:
            await held.exited.wait()
            return True
        waits = [asyncio.ensure_future(held.exited.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return held.exited.is_set()

    async def remove_container(self, record: ContainerRecord) -> None:
        self._up()
        await asyncio.sleep(0)
        self.exit(record, 137)
        self.lose(record)

    def lose(self, record: ContainerRecord) -> None:
        """It vanishes, as by a hand on the engine."""
        pod = self._records.get(record.pod_uid)
        if pod is not None:
            pod.containers.pop(record.id, None)
            self._drop_if_empty(record.pod_uid)
        self._containers.pop(record.id, None)
        self._changed(record.pod_uid)

    def _drop_if_empty(self, uid: str) -> None:
        pod = self._records[uid]
        if not pod.sandboxes and not pod.containers:
            del self._records[uid]

    async def update_container(self, record: ContainerRecord, resources: Resources) -> None:
        self._up()
        record.resources = resources

    # streams

    async def exec_command(self, record: ContainerRecord, command: list[str], *, seconds: float) -> tuple[int, bytes]:
        self._up()
        self.executed.append((record.name, command))
        return self.command(record, command)

    async def open_exec(
        self, record: ContainerRecord, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> Streams:
        """Answers what `command` says, then echoes the input until its end."""
        self._up()
        code, output = self.command(record, command)
        return EchoStreams(output, code, echo=stdin)

    async def open_attach(self, record: ContainerRecord, *, stdin: bool, stdout: bool, stderr: bool) -> Streams:
        return EchoStreams(self._containers[record.id].script.log, 0, echo=stdin)

    async def connect_port(
        self, sandbox: SandboxRecord, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port)

    async def logs(self, record: ContainerRecord, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]:
        held = self._containers.get(record.id)
        lines = held.script.log.splitlines(keepends=True) if held else []
        for line in lines if options.tail is None else lines[max(0, len(lines) - options.tail) :]:
            yield 1, line

    async def usage(self, record: ContainerRecord) -> Usage:
        return Usage(cpu_nanos=1_000_000, memory=1 << 20, working_set=1 << 20, rss=1 << 19, faults=10, pids=1)

    async def files(self, record: ContainerRecord) -> ContainerFiles:
        held = self._containers.get(record.id)
        return held.script.files if held else ContainerFiles()

    # images

    async def image(self, reference: str) -> ImageRecord | None:
        self._up()
        return self._images.get(reference) or next((i for i in self._images.values() if i.id == reference), None)

    async def images(self) -> list[ImageRecord]:
        return list(self._images.values())

    async def pull(self, reference: str, auth: Mapping[str, Any] | None) -> ImageRecord:
        self._up()
        if reference not in self._registry:
            raise RuntimeFailure(f"pull access denied for {reference}")
        self._images[reference] = ImageRecord(id=f"sha256:{reference}", tags=(reference,), size=1000)
        return self._images[reference]

    async def remove_image(self, image_id: str) -> None:
        self._images = {k: v for k, v in self._images.items() if v.id != image_id}

    async def aclose(self) -> None:
        for held in self._containers.values():
            if held.timer is not None:
                held.timer.cancel()


class EchoStreams:
    """Streams that give `output`, then with `echo` whatever is written to them, until their input ends."""

    def __init__(self, output: bytes, code: int, *, echo: bool) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._code = code
        if output:
            self._queue.put_nowait(output)
        if not echo:
            self._queue.put_nowait(b"")
        self.sizes: list[tuple[int, int]] = []

    async def read(self) -> tuple[int, bytes]:
        data = await self._queue.get()
        return (1, data) if data else (0, b"")

    async def write(self, data: bytes) -> None:
        self._queue.put_nowait(data)

    async def close_stdin(self) -> None:
        self._queue.put_nowait(b"")

    async def resize(self, *, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def exit_code(self) -> int:
        return self._code

    async def aclose(self) -> None:
        self._queue.put_nowait(b"")
