"""What every pod worker of a node shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubelet.config import KubeletConfig
from kubelet.pods.backoff import Backoffs
from kubelet.pods.environment import Reference
from kubelet.pods.hooks import Hooks
from kubelet.pods.images import Images
from kubelet.pods.killing import Killer
from kubelet.runtime.interface import Runtime
from pocketkube.base.clock import Clock

Obj = dict[str, Any]


class Recorder(Protocol):
    def event(self, obj: Obj, type: str, reason: str, message: str, *, field_path: str = "") -> None: ...


class ObjectSource(Protocol):
    async def fetch(self, uid: str, namespace: str, wanted: Iterable[Reference]) -> dict[Reference, Obj]: ...
    async def lookup(self, kind: str, namespace: str, name: str) -> Obj | None: ...
    def release(self, uid: str) -> None: ...


class StatusSink(Protocol):
    def set(self, uid: str, status: Obj) -> None: ...
    async def flush(self, uid: str) -> None: ...
    async def delete(self, pod: Obj) -> None: ...
    def forget(self, uid: str) -> None: ...


@dataclass(kw_only=True)
class Host:
    """`allocatable` and `host_ips` are the node's as now known; `services` those that containers learn of by environment."""

    config: KubeletConfig
    runtime: Runtime
    clock: Clock
    objects: ObjectSource
    statuses: StatusSink
    recorder: Recorder
    token: Callable[[Obj, Obj], Awaitable[str]]
    forget_tokens: Callable[[str], None] = lambda uid: None
    services: Callable[[], Iterable[Obj]] = lambda: ()
    allocatable: Callable[[], Mapping[str, str]] = dict
    host_ips: Callable[[], tuple[str, ...]] = lambda: ()
    machine_memory: int = 0
    images: Images = field(init=False)
    hooks: Hooks = field(init=False)
    killer: Killer = field(init=False)
    backoffs: Backoffs = field(default_factory=Backoffs)

    def __post_init__(self) -> None:
        self.images = Images(self.runtime, self.clock)
        self.hooks = Hooks(self.runtime, self.clock)
        self.killer = Killer(self.runtime, self.hooks, self.clock)
