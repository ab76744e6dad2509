"""Runs the probes of one container, each in a task of its own, and keeps what they have found.

Startup holds back the other two until it has succeeded once. Readiness starts false; liveness and startup failures ask for the
container's end, once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from kubelet.probes import grpc, http, tcp
from kubelet.probes.result import Result
from kubelet.probes.target import container_port, pod_address
from kubelet.runtime.interface import ContainerRecord, Runtime, RuntimeFailure
from pocketkube.base import tasks
from pocketkube.base.clock import Clock

log = logging.getLogger(__name__)

Obj = dict[str, Any]

FIELDS = {"startup": "startupProbe", "liveness": "livenessProbe", "readiness": "readinessProbe"}


def setting(probe: Obj, name: str, default: int) -> int:
    """0 is the default too: a timeout of 0 means one second."""
    return int(probe.get(name) or default)


class ContainerProbes:
    """`changed` is called whenever readiness, startup or `failed` changes. `adopted` says what is already known of it."""

    def __init__(
        self,
        pod: Obj,
        container: Obj,
        record: ContainerRecord,
        *,
        runtime: Runtime,
        clock: Clock,
        changed: Callable[[], None],
        tell: Callable[[str, str, str], None],
        adopted: tuple[bool, bool] = (False, False),
        spread: float = 0.0,
    ) -> None:
        self.pod, self.container, self.record = pod, container, record
        self._runtime, self._clock, self._changed, self._tell = runtime, clock, changed, tell
        self._spread = spread  # seconds, within which first probes begin after a restart of the kubelet
        has = {kind: bool(container.get(field)) for kind, field in FIELDS.items()}
        self.ready = adopted[0] or not has["readiness"]
        self.started = adopted[1] or not has["startup"]
        self.failed = ""  # why the container must go, once a probe has given up on it
        self._startup_over = asyncio.Event()
        if self.started:
            self._startup_over.set()
        wanted = [kind for kind in FIELDS if has[kind] and not (kind == "startup" and self.started)]
        self._tasks = {k: asyncio.create_task(self._run(k), name=f"{k} probe of {record.name}") for k in wanted}

    async def stop(self, *kinds: str) -> None:
        """All of them, or only those kinds."""
        chosen = [self._tasks.pop(kind) for kind in (kinds or tuple(self._tasks)) if kind in self._tasks]
        await tasks.cancel(*chosen)

    async def _run(self, kind: str) -> None:
        if kind != "startup":
            await self._startup_over.wait()
        probe = self.container[FIELDS[kind]]
        delay = setting(probe, "initialDelaySeconds", 0)
        since = self.record.started_at or self._clock.now()
        wait = max(delay - (self._clock.now() - since).total_seconds(), self._spread * random.random())
        streak, last = 0, None
        while True:
            if wait > 0:
                await self._clock.sleep(wait)
            result = await self._probe(kind, probe)
            wait = setting(probe, "periodSeconds", 10)
            if not result.known:
                continue
            streak = streak + 1 if result.ok == last else 1
            last = result.ok
            if not result.ok:
                self._tell("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {result.output}")
            elif result.doubtful:
                self._tell("Warning", "ProbeWarning", f"{kind.capitalize()} probe warning: {result.output}")
            name, default = ("successThreshold", 1) if result.ok else ("failureThreshold", 3)
            if streak >= setting(probe, name, default) and self._conclude(kind, result):
                return

    def _conclude(self, kind: str, result: Result) -> bool:
        """A threshold is reached. True if this probe has nothing more to do."""
        if kind == "readiness":
            if self.ready != result.ok:
                self.ready = result.ok
                self._changed()
            return False
        if kind == "startup" and result.ok:
            self.started = True
            self._startup_over.set()
            self._changed()
            return True
        if not result.ok:
            self.failed = f"Container {self.container['name']} failed {kind} probe, will be restarted"
            self._changed()
            return True
        return False

    async def _probe(self, kind: str, probe: Obj) -> Result:
        seconds = float(setting(probe, "timeoutSeconds", 1))
        try:
            return await self._action(probe, seconds)
        except RuntimeFailure as e:
            log.debug("%s probe of %s could not be made: %s", kind, self.record.name, e)
            return Result(False, str(e), known=False)
        except ValueError as e:
            return Result(False, str(e))

    async def _action(self, probe: Obj, seconds: float) -> Result:
        host = pod_address(self.pod, self._runtime.records.get(self.record.pod_uid))
        if action := probe.get("httpGet"):
            port = container_port(self.container, action["port"])
            return await http.get(action, host=action.get("host") or host, port=port, seconds=seconds)
        if action := probe.get("tcpSocket"):
            port = container_port(self.container, action["port"])
            return await tcp.connect(host=action.get("host") or host, port=port, seconds=seconds)
        if action := probe.get("grpc"):
            service = action.get("service") or ""
            return await grpc.check(host=host, port=int(action["port"]), service=service, seconds=seconds)
        command = probe["exec"]["command"]
        try:
            code, output = await self._runtime.exec_command(self.record, command, seconds=seconds)
        except TimeoutError:
            return Result(False, f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s')
        return Result(code == 0, output.decode(errors="replace").strip())
