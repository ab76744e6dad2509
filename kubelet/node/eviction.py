"""When memory, disk or process ids run short: say so, free what can be freed, then end pods, one at a time, in order of blame.

Thresholds are upstream's: `memory.available<100Mi`, `nodefs.available<10%`, `nodefs.inodesFree`, `imagefs.available`, `pid.available`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubelet import metrics
from kubelet.config import KubeletConfig
from kubelet.node.status import threshold
from kubelet.pods import spec
from kubelet.pods.admission import requests
from kubelet.pods.worker import PodWorker
from pocketkube.api.meta import quantity
from pocketkube.base.clock import Clock

log = logging.getLogger(__name__)

Obj = dict[str, Any]

SECONDS = 10.0  # between two looks
PRESSURES = {"memory": "Memory", "nodefs": "Disk", "imagefs": "Disk", "pid": "PID"}
RESOURCES = {"memory": "memory", "nodefs": "ephemeral-storage", "imagefs": "ephemeral-storage", "pid": "pids"}


@dataclass(frozen=True, slots=True)
class Signal:
    """What is left of something and how much there is in all; bytes, inodes or process ids."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Short:
    """A threshold that is crossed. `hard` ends pods at once, soft ones within a grace period."""

    signal: str
    limit: str
    available: int
    hard: bool

    @property
    def pressure(self) -> str:
        return PRESSURES[self.signal.partition(".")[0]]

    @property
    def resource(self) -> str:
        return RESOURCES[self.signal.partition(".")[0]]


def crossed(signals: Mapping[str, Signal], thresholds: Sequence[tuple[str, str]], *, hard: bool) -> list[Short]:
    """Those of the thresholds that are not met, in their order."""
    found = []
    for name, limit in thresholds:
        signal = signals.get(name)
        if signal is not None and signal.capacity and signal.available < threshold(limit, signal.capacity):
            found.append(Short(name, limit, signal.available, hard))
    return found


def ranked(workers: Sequence[PodWorker], usage: Mapping[str, int], resource: str) -> list[PodWorker]:
    """The first to go first: who uses more than it asked for, then by priority, then by how much more. Critical pods never."""

    def blame(worker: PodWorker) -> tuple[bool, int, int]:
        used = usage.get(worker.uid, 0)
        asked = requests(worker.pod).get(resource, 0)
        return used <= asked, int(worker.pod["spec"].get("priority") or 0), asked - used

    victims = [w for w in workers if not _critical(w.pod) and not w.over and not w.terminating]
    return sorted(victims, key=blame)


def _critical(pod: Obj) -> bool:
    return spec.is_static(pod) or int(pod["spec"].get("priority") or 0) >= 2_000_000_000


class EvictionManager:
    """`measure` gives the signals, `usage` bytes by pod uid, `reclaim` frees disk by collecting garbage."""

    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        *,
        measure: Callable[[], Mapping[str, Signal]],
        usage: Callable[[str], Awaitable[Mapping[str, int]]],
        reclaim: Callable[[], Awaitable[None]],
        workers: Callable[[], Sequence[PodWorker]],
        changed: Callable[[], None],
        tell: Callable[[Obj, str, str], None] = lambda pod, reason, message: None,
    ) -> None:
        self._config, self._clock = config, clock
        self._measure, self._usage, self._reclaim, self._workers = measure, usage, reclaim, workers
        self._changed, self._tell = changed, tell
        self._since: dict[str, float] = {}  # soft threshold -> when it was first crossed
        self._last: dict[str, float] = {}  # pressure -> when it was last seen

    def pressure(self) -> frozenset[str]:
        """Shown for a while after it has gone, so that it does not flap."""
        now, stays = self._clock.monotonic(), self._config.pressure_transition_seconds
        return frozenset(p for p, seen in self._last.items() if now - seen < stays)

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(SECONDS)

    async def look(self) -> None:
        """Once: at most one pod is ended."""
        before = self.pressure()
        signals = self._measure()
        short = crossed(signals, self._config.eviction_hard, hard=True) + self._soft(signals)
        now = self._clock.monotonic()
        for found in short:
            self._last[found.pressure] = now
        if self.pressure() != before:
            self._changed()
        if not short:
            return
        if any(s.pressure == "Disk" for s in short):
            await self._reclaim()
            again = {s.signal for s in crossed(self._measure(), [(s.signal, s.limit) for s in short], hard=True)}
            short = [s for s in short if s.signal in again]
        if short:
            await self._evict(short[0])

    def _soft(self, signals: Mapping[str, Signal]) -> list[Short]:
        now, grace = self._clock.monotonic(), dict(self._config.eviction_soft_grace)
        found = crossed(signals, self._config.eviction_soft, hard=False)
        names = {s.signal for s in found}
        self._since = {name: self._since.get(name, now) for name in names}
        return [s for s in found if now - self._since[s.signal] >= grace.get(s.signal, 0.0)]

    async def _evict(self, short: Short) -> None:
        usage = await self._usage(short.resource)
        victims = ranked(self._workers(), usage, short.resource)
        if not victims:
            log.warning("%s is short and no pod may be ended for it", short.signal)
            return
        victim = victims[0]
        message = (
            f"The node was low on resource: {short.resource}. Threshold quantity: {short.limit}, "
            f"available: {quantity.canonical(f'{short.available // 1024}Ki')}. "
        )
        log.warning("ending pod %s: %s", spec.full_name(victim.pod), message)
        self._tell(victim.pod, "Evicted", message)
        metrics.EVICTIONS.labels(short.signal).inc()
        victim.reject("Evicted", message, grace=1.0 if short.hard else float(self._config.eviction_max_grace))
