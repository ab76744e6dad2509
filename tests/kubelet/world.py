"""A node without an engine and without an API server: the pod manager on the in-memory runtime, and all it says written down."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kubelet.config import KubeletConfig
from kubelet.pods.environment import Reference
from kubelet.pods.host import Host
from kubelet.pods.manager import Admit, PodManager
from kubelet.runtime.interface import ContainerRecord
from kubelet.runtime.memory import MemoryRuntime
from pocketkube.base.clock import FakeClock

Obj = dict[str, Any]

IMAGE = "app:1"
SECONDS = 10.0  # of real time, for anything awaited


def pod(name: str = "web", *containers: Obj, uid: str = "", **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": uid or f"uid-{name}", "generation": 1},
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "nodeName": "node-1",
            "containers": list(containers) or [container("c")],
            **spec,
        },
        "status": {"phase": "Pending"},
    }


def container(name: str, **fields: Any) -> Obj:
    return {"name": name, "image": IMAGE, "command": ["run"], **fields}


class Statuses:
    """Keeps what is set, as an API server would, for the next kubelet."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.now: dict[str, Obj] = {}
        self.history: dict[str, list[Obj]] = {}
        self.deleted: list[str] = []
        self._changed = changed

    def set(self, uid: str, status: Obj) -> None:
        self.now[uid] = copy.deepcopy(status)
        self.history.setdefault(uid, []).append(self.now[uid])
        self._changed.set()

    async def flush(self, uid: str) -> None:
        return

    async def delete(self, pod: Obj) -> None:
        self.deleted.append(pod["metadata"]["uid"])
        self._changed.set()

    def forget(self, uid: str) -> None:
        self._changed.set()


class Objects:
    def __init__(self) -> None:
        self.held: dict[tuple[str, str, str], Obj] = {}

    async def fetch(self, uid: str, namespace: str, wanted: Iterable[Reference]) -> dict[Reference, Obj]:
        found = {r: self.held.get((r[0], namespace, r[1])) for r in wanted}
        return {r: obj for r, obj in found.items() if obj is not None}

    async def lookup(self, kind: str, namespace: str, name: str) -> Obj | None:
        return self.held.get((kind, namespace, name))

    def release(self, uid: str) -> None:
        return


class Events:
    def __init__(self, changed: asyncio.Event) -> None:
        self.told: list[tuple[str, str, str]] = []
        self._changed = changed

    def event(self, obj: Obj, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.told.append((type, reason, message))
        self._changed.set()

    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self.told]


class World:
    """`restart_kubelet` kills it at whatever it is doing; engine, API objects and files stay."""

    def __init__(
        self,
        root: Path,
        *,
        runtime: MemoryRuntime | None = None,
        admit: Admit | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.runtime = runtime or MemoryRuntime(self.clock, images=(IMAGE,))
        self.changed = asyncio.Event()
        self.statuses = Statuses(self.changed)
        self.objects = Objects()
        self.events = Events(self.changed)
        self.pods: dict[str, Obj] = {}
        self._root = root
        self._admit = admit or (lambda pod, others: None)
        self.manager = self._manager()
        self.manager.sources_ready()

    def _manager(self) -> PodManager:
        async def token(pod: Obj, source: Obj) -> str:
            return f"token of {pod['metadata']['name']}"

        host = Host(
            config=KubeletConfig(node_name="node-1", root_dir=self._root, sync_seconds=3600.0),
            runtime=self.runtime,
            clock=self.clock,
            objects=self.objects,
            statuses=self.statuses,
            recorder=self.events,
            token=token,
            host_ips=lambda: ("192.0.2.1",),
            allocatable=lambda: {"cpu": "4", "memory": "8Gi", "pods": "110"},
            machine_memory=8 << 30,
        )
        manager = PodManager(host, admit=self._admit)
        self.runtime.subscribe(lambda uid: self.changed.set())
        return manager

    def add(self, obj: Obj) -> str:
        """Bind a pod to the node; its uid."""
        self.pods[obj["metadata"]["uid"]] = obj
        self.manager.on_api_pod(obj)
        return str(obj["metadata"]["uid"])

    def update(self, uid: str, change: Callable[[Obj], None]) -> None:
        obj = copy.deepcopy(self.pods[uid])
        change(obj)
        self.pods[uid] = obj
        self.manager.on_api_pod(obj)

    def delete(self, uid: str, grace: int = 30) -> None:
        """What an API server does at a graceful deletion."""
        self.update(
            uid,
            lambda o: o["metadata"].update(deletionTimestamp="2026-11-21T03:00:00Z", deletionGracePeriodSeconds=grace),
        )

    async def restart_kubelet(self) -> None:
        await self.manager.stop()
        self.runtime.detach_kubelet()
        self.manager = self._manager()
        for uid, obj in self.pods.items():
            if uid not in self.statuses.deleted:
                self.manager.on_api_pod({**obj, "status": copy.deepcopy(self.statuses.now.get(uid, obj["status"]))})
        self.manager.sources_ready()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait, on what happens, until it holds."""
        async with asyncio.timeout(SECONDS):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def settle(self) -> None:
        """Until nothing more happens at this moment of the clock."""
        quiet = 0
        while quiet < 40:
            self.changed.clear()
            await asyncio.sleep(0)
            quiet = 0 if self.changed.is_set() else quiet + 1

    async def advance(self, seconds: float) -> None:
        await self.settle()  # so that every timer of this moment is set
        self.clock.advance(seconds)
        await self.settle()

    def record(self, uid: str, name: str = "c") -> ContainerRecord:
        found = self.runtime.records[uid].latest(name)
        assert found is not None
        return found

    def status(self, uid: str) -> Obj:
        return self.statuses.now.get(uid, {})

    def container_status(self, uid: str, name: str = "c") -> Obj:
        parts = ("initContainerStatuses", "containerStatuses")
        found = (s for part in parts for s in self.status(uid).get(part) or () if s["name"] == name)
        return next(found, {})

    def condition(self, uid: str, kind: str) -> Obj:
        return next((c for c in self.status(uid).get("conditions") or () if c["type"] == kind), {})

    def ready(self, uid: str) -> bool:
        return self.condition(uid, "Ready").get("status") == "True"

    def most_at_once(self, uid: str, name: str) -> int:
        return self.runtime.most_at_once[uid, name]

    def running(self, uid: str, name: str = "c") -> bool:
        records = self.runtime.records.get(uid)
        return any(r.name == name for r in records.running()) if records else False
