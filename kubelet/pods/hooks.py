"""postStart and preStop: a command in the container, a GET to the pod, or a sleep."""

from __future__ import annotations

from typing import Any

from kubelet.probes import http
from kubelet.probes.target import container_port, pod_address
from kubelet.runtime.interface import ContainerRecord, Runtime, RuntimeFailure
from pocketkube.base.clock import Clock

Obj = dict[str, Any]

SECONDS = 3600.0  # that a hook may run where nothing ends it earlier


class HookFailure(Exception):
    """The hook failed; the text says how."""


class Hooks:
    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime, self._clock = runtime, clock

    async def run(self, pod: Obj, container: Obj, record: ContainerRecord, handler: Obj) -> None:
        """Raises HookFailure."""
        if action := handler.get("exec"):
            await self._exec(record, action["command"])
        elif action := handler.get("httpGet"):
            await self._get(pod, container, action, record)
        elif action := handler.get("sleep"):
            await self._clock.sleep(float(action["seconds"]))

    async def _exec(self, record: ContainerRecord, command: list[str]) -> None:
        try:
            code, output = await self._runtime.exec_command(record, command, seconds=SECONDS)
        except (RuntimeFailure, TimeoutError) as e:
            raise HookFailure(str(e) or "timed out") from e
        if code:
            text = output.decode(errors="replace").strip()
            raise HookFailure(f"command '{' '.join(command)}' exited with {code}: {text}")

    async def _get(self, pod: Obj, container: Obj, action: Obj, record: ContainerRecord) -> None:
        host = action.get("host") or pod_address(pod, self._runtime.records.get(record.pod_uid))
        try:
            result = await http.get(action, host=host, port=container_port(container, action["port"]), seconds=SECONDS)
        except ValueError as e:
            raise HookFailure(str(e)) from e
        if not result.ok:
            raise HookFailure(result.output)
