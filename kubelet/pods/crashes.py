"""Crash loops of one pod's containers: who has to wait, for how long, and telling it."""

from __future__ import annotations

from typing import Any

from kubelet.pods import spec
from kubelet.pods.hosted import HostedPod
from kubelet.pods.plan import Plan
from kubelet.runtime.interface import ContainerRecord
from pocketkube.base import durations

Obj = dict[str, Any]


class CrashLoops:
    """`waiting`, container to (reason, message), is what the status shows of containers that do not run."""

    def __init__(self, pod: HostedPod, waiting: dict[str, tuple[str, str]]) -> None:
        self._pod, self._waiting = pod, waiting
        self._backoffs, self._clock = pod.host.backoffs, pod.host.clock

    def seconds_left(self, container: Obj, record: ContainerRecord) -> float:
        ended = record.finished_at or record.created_at
        return self._backoffs.remaining(self._key(container), ended, self._clock.now())

    def follow(self, plan: Plan) -> None:
        """Show and tell who has to wait; count the restarts that are made now."""
        for name in plan.waiting:
            self._wait(name)
        for start in plan.start:
            latest = self._pod.records.latest(start.container["name"])
            if latest is not None and latest.state == "exited" and latest.finished_at:
                self._backoffs.tried(self._key(start.container), latest.finished_at, self._clock.now())

    def _wait(self, name: str) -> None:
        seconds = self._backoffs.seconds(self._key(spec.container(self._pod.obj, name) or {"name": name}))
        where = f"{spec.full_name(self._pod.obj)}({self._pod.uid})"
        text = f"back-off {durations.render(seconds)} restarting failed container={name} pod={where}"
        if self._waiting.get(name) != ("CrashLoopBackOff", text):
            self._waiting[name] = "CrashLoopBackOff", text
            said = f"Back-off restarting failed container {name} in pod {where}"
            self._pod.tell("Warning", "BackOff", said, container=name)

    def forget(self) -> None:
        for container in spec.all_containers(self._pod.obj):
            self._backoffs.forget(self._key(container))

    def _key(self, container: Obj) -> tuple[str, str, str]:
        return self._pod.uid, container["name"], spec.container_hash(container)
