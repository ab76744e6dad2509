"""The probes of one pod: some for each running container that asks for them, none for what has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kubelet.pods import spec
from kubelet.pods.hosted import HostedPod
from kubelet.pods.plan import Kill
from kubelet.probes.prober import FIELDS, ContainerProbes
from kubelet.runtime.interface import ContainerRecord
from pocketkube.base import tasks

Obj = dict[str, Any]


class PodProbes:
    """`changed` is called whenever a probe has found something new."""

    def __init__(self, pod: HostedPod, *, changed: Callable[[], None]) -> None:
        self._pod, self._changed = pod, changed
        self._of: dict[str, ContainerProbes] = {}  # by container id

    def follow(self) -> None:
        """Begin and end probes by what runs now."""
        running = {record.id: record for record in self._pod.records.running()}
        for gone in [i for i in self._of if i not in running]:
            probes = self._of.pop(gone)
            tasks.spawn(f"end of probes of {probes.record.name}", probes.stop())
        for record in running.values():
            container = spec.container(self._pod.obj, record.name)
            if record.id not in self._of and container and any(container.get(f) for f in FIELDS.values()):
                self._of[record.id] = self._probe(container, record)

    def _probe(self, container: Obj, record: ContainerRecord) -> ContainerProbes:
        statuses = spec.container_statuses(self._pod.status)
        known: Obj = next((s for s in statuses if str(s.get("containerID", "")).endswith(record.id)), {})
        return ContainerProbes(
            self._pod.obj,
            container,
            record,
            runtime=self._pod.host.runtime,
            clock=self._pod.host.clock,
            changed=self._changed,
            tell=lambda type, reason, message: self._pod.tell(type, reason, message, container=record.name),
            adopted=(bool(known.get("ready")), bool(known.get("started"))),
        )

    async def stop(self, *kinds: str) -> None:
        """All of them, or only those kinds."""
        await asyncio.gather(*(p.stop(*kinds) for p in self._of.values()))

    def failed(self) -> dict[str, Kill]:
        """By container id, those that a probe has given up on."""
        return {p.record.id: Kill(p.record, p.failed, _grace(p)) for p in self._of.values() if p.failed}

    def is_started(self, record: ContainerRecord) -> bool:
        probes = self._of.get(record.id)
        return probes.started if probes is not None else not self._asks(record, "startupProbe")

    def is_ready(self, record: ContainerRecord) -> bool:
        probes = self._of.get(record.id)
        return probes.ready if probes is not None else not self._asks(record, "readinessProbe")

    def _asks(self, record: ContainerRecord, probe: str) -> bool:
        return bool((spec.container(self._pod.obj, record.name) or {}).get(probe))


def _grace(probes: ContainerProbes) -> float | None:
    """A probe may carry a grace period of its own, in seconds."""
    for name in ("livenessProbe", "startupProbe"):
        seconds = (probes.container.get(name) or {}).get("terminationGracePeriodSeconds")
        if seconds is not None:
            return float(seconds)
    return None
