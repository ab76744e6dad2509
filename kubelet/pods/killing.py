"""Ending a container in order: preStop, the stop signal, the grace period, SIGKILL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kubelet.pods import spec
from kubelet.pods.hooks import HookFailure, Hooks
from kubelet.runtime.interface import ContainerRecord, Runtime
from pocketkube.base.clock import Clock

Obj = dict[str, Any]

FLOOR = 2.0  # seconds that a container has after its preStop hook, whatever is left of the grace period


class Deadline:
    """The moment, on the monotonic clock, by which a pod must be gone; it only ever comes nearer."""

    def __init__(self) -> None:
        self.at = float("inf")
        self._nearer = asyncio.Event()

    def bring_forward(self, at: float) -> None:
        if at < self.at:
            self.at = at
            self._nearer.set()

    async def nearer(self) -> None:
        self._nearer.clear()
        await self._nearer.wait()


class Killer:
    def __init__(self, runtime: Runtime, hooks: Hooks, clock: Clock) -> None:
        self._runtime, self._hooks, self._clock = runtime, hooks, clock

    async def kill(
        self,
        pod: Obj,
        record: ContainerRecord,
        *,
        grace: float,
        deadline: Deadline,
        warn: Callable[[str, str], None] = lambda reason, message: None,
    ) -> None:
        """Returns when it has exited. `deadline` may be brought forward meanwhile."""
        if record.state != "running":
            return
        container = spec.container(pod, record.name) or {}
        end = min(self._clock.monotonic() + grace, deadline.at)
        if grace > 0 and await self._pre_stop(pod, container, record, end - self._clock.monotonic(), warn):
            end = max(end, self._clock.monotonic() + FLOOR)
        await self._runtime.signal_container(record, await self._stop_signal(container, record))
        while not await self._runtime.wait_exited(record, 0):
            left = min(end, deadline.at) - self._clock.monotonic()
            if left <= 0:
                await self._runtime.signal_container(record, "SIGKILL")
                await self._runtime.wait_exited(record, None)
                return
            await self._wait(record, left, deadline)

    async def _wait(self, record: ContainerRecord, seconds: float, deadline: Deadline) -> None:
        waits = [
            asyncio.create_task(self._runtime.wait_exited(record, None)),
            asyncio.create_task(deadline.nearer()),
            asyncio.create_task(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _pre_stop(
        self, pod: Obj, container: Obj, record: ContainerRecord, seconds: float, warn: Callable[[str, str], None]
    ) -> bool:
        handler = (container.get("lifecycle") or {}).get("preStop")
        if not handler:
            return False
        try:
            await asyncio.wait_for(self._hooks.run(pod, container, record, handler), max(seconds, 0.001))
        except TimeoutError:
            warn("FailedPreStopHook", "PreStopHook did not complete within the grace period")
        except HookFailure as e:
            warn("FailedPreStopHook", f"PreStopHook failed: {e}")
        return True

    async def _stop_signal(self, container: Obj, record: ContainerRecord) -> str:
        stated = (container.get("lifecycle") or {}).get("stopSignal")
        if stated:
            return str(stated)
        image = await self._runtime.image(record.image_id or record.image)
        return image.stop_signal if image and image.stop_signal else "SIGTERM"
