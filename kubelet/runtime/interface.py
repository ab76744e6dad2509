"""What the kubelet asks of a container engine, and what it is told back. Engines: docker, memory.

A sandbox is the infra container of a pod: it holds the network and IPC namespaces. `records` is the engine's state as last seen;
an engine keeps it current by its event stream and tells subscribers the uid of each pod whose containers changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

State = Literal["created", "running", "exited"]


class RuntimeFailure(Exception):
    """The engine refused or failed an operation; the text is the engine's own."""


class EngineDown(RuntimeFailure):
    """The engine does not answer."""


class ImageMissing(RuntimeFailure):
    """The image is not on this host."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind mount. `propagation` is "", "rslave" or "rshared"."""

    host_path: str
    container_path: str
    read_only: bool = False
    propagation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Cgroup limits; 0 means none. `cpu_quota` is microseconds a period, `memory` bytes; `pids` 0 leaves the engine's default."""

    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    memory: int = 0
    pids: int = 0
    oom_score_adj: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """`user` is "uid", "uid:gid" or "" (the image's own). `seccomp` is "" (unconfined), "default" or a profile's JSON text."""

    user: str = ""
    groups: tuple[str, ...] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    seccomp: str = ""
    apparmor: str = ""
    unmasked_proc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapping:
    """A port of the host that leads into the pod. `host_ip` "" is every address."""

    container_port: int
    host_port: int
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    pod_uid: str
    pod_name: str
    pod_namespace: str
    attempt: int = 0
    hostname: str = ""
    domain: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortMapping, ...] = ()
    cgroup_parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ip: str = ""  # wanted again, if free


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """A container to create in a sandbox. Empty `command` and `args` mean the image's own."""

    pod_uid: str
    pod_name: str
    pod_namespace: str
    name: str
    image: str  # as the pod names it
    image_id: str = ""
    attempt: int = 0
    sandbox_attempt: int = 0
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()  # "NAME=value"
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    hostname: str = ""
    host_pid: bool = False
    host_ipc: bool = False
    share_pid: bool = False  # join the sandbox's process namespace
    target: str = ""  # id of a container whose process namespace is joined
    resources: Resources = Resources()
    security: Security = Security()
    cgroup_parent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SandboxRecord:
    id: str
    pod_uid: str
    pod_name: str
    pod_namespace: str
    attempt: int
    state: State
    created_at: datetime
    ip: str = ""
    pid: int = 0
    host_network: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ContainerRecord:
    """One attempt at a container. `image_id` is the content id of its image; times are None until they happen."""

    id: str
    pod_uid: str
    name: str
    attempt: int
    state: State
    image: str
    image_id: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    signal: int = 0
    oom_killed: bool = False
    error: str = ""  # why the engine could not start it
    pid: int = 0
    sandbox_attempt: int = 0  # of the sandbox that it was made in
    tty: bool = False
    resources: Resources = Resources()
    message: str | None = None  # its termination message, once read
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PodRecords:
    """All that the engine holds of one pod, by container id."""

    sandboxes: dict[str, SandboxRecord] = field(default_factory=dict)
    containers: dict[str, ContainerRecord] = field(default_factory=dict)

    def sandbox(self) -> SandboxRecord | None:
        """The newest attempt."""
        return max(self.sandboxes.values(), key=lambda s: s.attempt, default=None)

    def attempts(self, name: str) -> list[ContainerRecord]:
        """The attempts at one container, newest first."""
        found = [c for c in self.containers.values() if c.name == name]
        return sorted(found, key=lambda c: c.attempt, reverse=True)

    def latest(self, name: str) -> ContainerRecord | None:
        return max((c for c in self.containers.values() if c.name == name), key=lambda c: c.attempt, default=None)

    def running(self) -> list[ContainerRecord]:
        return [c for c in self.containers.values() if c.state == "running"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """`id` is the content id, `digests` are name@sha256 references, `size` bytes. `user`, `env` and `stop_signal` are its config."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    env: tuple[str, ...] = ()
    stop_signal: str = ""
    has_command: bool = True
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """`name` is what nodeInfo.containerRuntimeVersion starts with."""

    name: str
    version: str
    api_version: str = ""
    kernel: str = ""
    os_image: str = ""
    root: str = ""  # folder that holds the engine's images
    pid: int = 0  # of the engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a container uses: CPU nanoseconds since its start, bytes, page faults, processes."""

    cpu_nanos: int = 0
    memory: int = 0
    working_set: int = 0
    rss: int = 0
    faults: int = 0
    major_faults: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFiles:
    """Where on this host lie the folder of what a container has written, and its log; None where the engine does not say."""

    layer: Path | None = None
    log: Path | None = None


class Streams(Protocol):
    """The standard streams of a command or container: `read` gives (1 or 2, bytes) until the end, then (0, b"")."""

    async def read(self) -> tuple[int, bytes]: ...
    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def resize(self, *, width: int, height: int) -> None: ...
    async def exit_code(self) -> int:
        """Of a command, after the end of its output; 0 for an attachment."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """`since` in Unix seconds; `tail` lines, None for all; `stream` is "all", "stdout" or "stderr"."""

    follow: bool = False
    timestamps: bool = False
    since: float = 0.0
    tail: int | None = None
    stream: str = "all"


Listener = Callable[[str], None]


class Runtime(Protocol):
    """Every method may raise EngineDown; those that change something raise RuntimeFailure with the engine's reason."""

    @property
    def records(self) -> Mapping[str, PodRecords]: ...
    @property
    def problem(self) -> str:
        """Why the engine or its network cannot run pods now; "" if it can."""

    def subscribe(self, listener: Listener) -> None: ...
    async def run(self) -> None:
        """Connect, read the state, follow events; for ever, through restarts of the engine."""

    async def wait_synced(self) -> None: ...
    async def version(self) -> Version: ...
    async def ensure_network(self, cidr: str) -> None:
        """Set up the node's pod network, or repair it. Safe to repeat; what fails shows in `problem`."""

    async def create_sandbox(self, config: SandboxConfig) -> SandboxRecord:
        """With its address already known, so that containers can be created while it starts."""

    async def start_sandbox(self, record: SandboxRecord, config: SandboxConfig) -> None: ...
    async def remove_sandbox(self, record: SandboxRecord) -> None:
        """Kill it if it runs, free its address and remove it."""

    async def create_container(self, sandbox: SandboxRecord, config: ContainerConfig) -> ContainerRecord: ...
    async def start_container(self, record: ContainerRecord) -> None: ...
    async def signal_container(self, record: ContainerRecord, signal: str) -> None: ...
    async def wait_exited(self, record: ContainerRecord, seconds: float | None) -> bool: ...
    async def remove_container(self, record: ContainerRecord) -> None: ...
    async def update_container(self, record: ContainerRecord, resources: Resources) -> None: ...
    async def exec_command(self, record: ContainerRecord, command: list[str], *, seconds: float) -> tuple[int, bytes]:
        """Exit code and both outputs, at most 10 KiB of them. Raises TimeoutError."""

    async def open_exec(
        self, record: ContainerRecord, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> Streams: ...
    async def open_attach(self, record: ContainerRecord, *, stdin: bool, stdout: bool, stderr: bool) -> Streams: ...
    async def connect_port(
        self, sandbox: SandboxRecord, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to that port of the pod's loopback. Raises OSError too."""

    def logs(self, record: ContainerRecord, options: LogOptions) -> AsyncIterator[tuple[int, bytes]]: ...
    async def usage(self, record: ContainerRecord) -> Usage: ...
    async def files(self, record: ContainerRecord) -> ContainerFiles: ...
    async def image(self, reference: str) -> ImageRecord | None: ...
    async def images(self) -> list[ImageRecord]: ...
    async def pull(self, reference: str, auth: Mapping[str, Any] | None) -> ImageRecord: ...
    async def remove_image(self, image_id: str) -> None: ...
    async def aclose(self) -> None: ...
