"""The records of all pods of one kubelet, kept in step with what the engine says; listeners hear of each pod that changed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from kubelet.runtime.interface import ContainerRecord, Listener, PodRecords, SandboxRecord


class Records:
    """A record is made once and then changed in place: whoever holds one sees what becomes of it."""

    def __init__(self) -> None:
        self.of: dict[str, PodRecords] = {}  # by pod uid
        self._listeners: list[Listener] = []
        self._exits: dict[str, list[asyncio.Future[None]]] = {}

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def changed(self, uid: str = "") -> None:
        """Tell of a pod; "" is the node itself."""
        for listener in self._listeners:
            listener(uid)

    def pod(self, uid: str) -> PodRecords:
        return self.of.setdefault(uid, PodRecords())

    def sandboxes(self) -> list[SandboxRecord]:
        return [s for pod in self.of.values() for s in pod.sandboxes.values()]

    def ids(self) -> list[str]:
        return [known for pod in self.of.values() for known in (*pod.sandboxes, *pod.containers)]

    def find(self, container: str) -> SandboxRecord | ContainerRecord | None:
        for pod in self.of.values():
            found = pod.containers.get(container) or pod.sandboxes.get(container)
            if found is not None:
                return found
        return None

    def keep_sandbox(self, seen: SandboxRecord) -> None:
        pod = self.pod(seen.pod_uid)
        known = pod.sandboxes.get(seen.id)
        if known is None:
            pod.sandboxes[seen.id] = seen
        else:
            known.state, known.pid = seen.state, seen.pid
        self._kept(seen)

    def keep_container(self, seen: ContainerRecord) -> None:
        pod = self.pod(seen.pod_uid)
        known = pod.containers.get(seen.id)
        if known is None:
            pod.containers[seen.id] = seen
        else:
            known.state, known.pid, known.error = seen.state, seen.pid, seen.error
            known.started_at, known.finished_at = seen.started_at or known.started_at, seen.finished_at
            known.exit_code, known.oom_killed = seen.exit_code, seen.oom_killed
        self._kept(seen)

    def _kept(self, seen: SandboxRecord | ContainerRecord) -> None:
        if seen.state == "exited":
            self._tell_exit(seen.id)
        self.changed(seen.pod_uid)

    def forget(self, container: str) -> None:
        """The engine has it no more; whoever still holds its record sees it exited."""
        for uid, pod in list(self.of.items()):
            gone = pod.sandboxes.pop(container, None) or pod.containers.pop(container, None)
            if gone is None:
                continue
            if gone.state != "exited":
                gone.state = "exited"
                if isinstance(gone, ContainerRecord):
                    gone.finished_at, gone.exit_code = datetime.now(UTC), 137
            if not pod.sandboxes and not pod.containers:
                del self.of[uid]
            self.changed(uid)
        self._tell_exit(container)

    async def wait_exited(self, record: ContainerRecord, seconds: float | None) -> bool:
        if record.state == "exited":
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._exits.setdefault(record.id, []).append(waiter)
        try:
            done, _ = await asyncio.wait([waiter], timeout=seconds)
            return bool(done)
        finally:
            if not waiter.done() and waiter in (waiters := self._exits.get(record.id, [])):
                waiters.remove(waiter)

    def _tell_exit(self, container: str) -> None:
        for waiter in self._exits.pop(container, ()):
            if not waiter.done():
                waiter.set_result(None)
