"""Pods that wait for a node: those to try now, those that failed and may be tried again after a moment, and those for
which something must happen first.

    add                -> active, or gated while a PreEnqueue plugin says so
    pop                -> in flight, by priority, then age
    failed             -> unschedulable, with the plugins that refused it
    an event that may
    help those plugins -> back off: 1 s doubling to 10 s a failed try, then active
    nothing active     -> pods that back off go early, but not those that failed by an error
    5 min unschedulable-> tried anyway, as every rule above may have a hole
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from pocketkube.base.clock import Clock
from scheduler.framework import SELF_UPDATED, Event
from scheduler.pod_info import PodInfo

INITIAL_BACKOFF, MAX_BACKOFF = 1.0, 10.0
LEFTOVER_SECONDS = 300.0

ACTIVE, BACKING_OFF, UNSCHEDULABLE, GATED, IN_FLIGHT = "active", "backoff", "unschedulable", "gated", "in flight"


@dataclass(slots=True, eq=False)
class Waiting:
    """One pod's place in the queue. `refused_by` names the plugins that refused it last; errors have none."""

    pod: PodInfo
    added_at: float
    state: str = ACTIVE
    attempts: int = 0
    failed_at: float = 0.0
    by_error: bool = False
    refused_by: frozenset[str] = frozenset()
    told: str = ""  # the last condition message written for it
    stamp: int = field(default=0)  # the heap item that stands for it


class SchedulingQueue:
    """`sort_key(pod, added_at)`, `gate(pod)` and `may_help(pod, plugin names, event)` come from the pod's profile."""

    def __init__(
        self,
        clock: Clock,
        *,
        sort_key: Callable[[PodInfo, float], Any],
        gate: Callable[[PodInfo], str | None],
        may_help: Callable[[PodInfo, Iterable[str], Event], bool],
        initial_backoff: float = INITIAL_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
    ):
        self._clock, self._sort_key, self._gate, self._may_help = clock, sort_key, gate, may_help
        self._initial, self._max = initial_backoff, max_backoff
        self._pods: dict[str, Waiting] = {}  # by UID
        self._active: list[tuple[Any, int, Waiting]] = []
        self._backoff: list[tuple[float, int, Waiting]] = []
        self._unschedulable: dict[str, Waiting] = {}
        self._in_flight: dict[str, list[Event]] = {}  # what happened while it was being tried
        self._stamps = itertools.count(1)
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pods)

    def counts(self) -> dict[str, int]:
        """Pods by state."""
        found = dict.fromkeys((ACTIVE, BACKING_OFF, UNSCHEDULABLE, GATED), 0)
        for waiting in self._pods.values():
            if waiting.state in found:
                found[waiting.state] += 1
        return found

    def get(self, uid: str) -> Waiting | None:
        return self._pods.get(uid)

    # --- the pod itself

    def add(self, pod: PodInfo) -> None:
        if pod.uid in self._pods:
            self.update(pod)
            return
        waiting = self._pods[pod.uid] = Waiting(pod, self._clock.monotonic())
        self._activate(waiting)

    def update(self, pod: PodInfo) -> None:
        """A waiting pod changed: that alone may make it fit."""
        waiting = self._pods.get(pod.uid)
        if waiting is None:
            return
        old, waiting.pod = waiting.pod, pod
        if waiting.state == GATED or (waiting.state == ACTIVE and old.priority != pod.priority):
            self._activate(waiting)
        elif waiting.state in (UNSCHEDULABLE, IN_FLIGHT) and _asks_differently(old, pod):
            event = Event(SELF_UPDATED, old.pod, pod.pod)
            if waiting.state == IN_FLIGHT:
                self._in_flight.get(pod.uid, []).append(event)
            elif self._helps(waiting, event):
                self._requeue(waiting)

    def remove(self, uid: str) -> None:
        """The pod was deleted, or bound by whomever."""
        waiting = self._pods.pop(uid, None)
        if waiting is not None:
            waiting.stamp = 0
            self._unschedulable.pop(uid, None)
            self._in_flight.pop(uid, None)

    # --- trying

    def pop(self) -> Waiting | None:
        """The next pod to try, in flight from now; None if there is none for now. One that backs off goes early."""
        self._flush()
        waiting = self._take(self._active) or self._early()
        if waiting is None:
            self._wake.clear()
            return None
        waiting.state = IN_FLIGHT
        waiting.attempts += 1
        waiting.stamp = 0
        self._in_flight[waiting.pod.uid] = []
        return waiting

    async def wait(self) -> None:
        """Until pop() may have something."""
        timeout = self._next_flush()
        if timeout is None:
            await self._wake.wait()
            return
        sleep = asyncio.ensure_future(self._clock.sleep(timeout))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleep, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            woken.cancel()

    def decided(self, waiting: Waiting) -> None:
        """A node was found: what happens in the cluster no longer matters to it, only whether binding succeeds."""
        self._in_flight.pop(waiting.pod.uid, None)

    def failed(self, waiting: Waiting, refused_by: Iterable[str]) -> None:
        """No node fits, for these plugins' sake. What happened meanwhile counts."""
        self._settle(waiting, frozenset(refused_by), by_error=False)

    def failed_by_error(self, waiting: Waiting) -> None:
        """The try itself went wrong: again, after backing off."""
        self._settle(waiting, frozenset(), by_error=True)

    def scheduled(self, uid: str) -> None:
        """The pod has its node."""
        self.remove(uid)

    def _settle(self, waiting: Waiting, refused_by: frozenset[str], *, by_error: bool) -> None:
        events = self._in_flight.pop(waiting.pod.uid, [])
        if self._pods.get(waiting.pod.uid) is not waiting:
            return
        waiting.failed_at, waiting.refused_by, waiting.by_error = self._clock.monotonic(), refused_by, by_error
        if by_error or any(self._helps(waiting, event) for event in events):
            self._requeue(waiting)
        else:
            waiting.state = UNSCHEDULABLE
            self._unschedulable[waiting.pod.uid] = waiting
            self._wake.set()  # whoever waits must learn of the new leftover deadline

    # --- events

    def happened(self, event: Event) -> None:
        """Something changed in the cluster: pods that it may help are tried again."""
        for events in self._in_flight.values():
            events.append(event)
        if self._unschedulable:
            for waiting in [*self._unschedulable.values()]:
                if self._helps(waiting, event):
                    self._requeue(waiting)

    def _helps(self, waiting: Waiting, event: Event) -> bool:
        return self._may_help(waiting.pod, waiting.refused_by, event)

    def _requeue(self, waiting: Waiting) -> None:
        self._unschedulable.pop(waiting.pod.uid, None)
        until = waiting.failed_at + self._delay(waiting)
        if until <= self._clock.monotonic():
            self._activate(waiting)
            return
        waiting.state = BACKING_OFF
        waiting.stamp = next(self._stamps)
        heappush(self._backoff, (until, waiting.stamp, waiting))
        self._wake.set()

    def _delay(self, waiting: Waiting) -> float:
        return min(self._max, self._initial * 2.0 ** min(max(0, waiting.attempts - 1), 30))

    def _activate(self, waiting: Waiting) -> None:
        if self._gate(waiting.pod) is not None:
            waiting.state, waiting.stamp = GATED, 0
            return
        waiting.state = ACTIVE
        waiting.stamp = next(self._stamps)
        heappush(self._active, (self._sort_key(waiting.pod, waiting.added_at), waiting.stamp, waiting))
        self._wake.set()

    def _take(self, heap: list[tuple[Any, int, Waiting]]) -> Waiting | None:
        while heap:
            _, stamp, waiting = heappop(heap)
            if waiting.stamp == stamp:
                return waiting
        return None

    def _early(self) -> Waiting | None:
        """Nothing else to do: a pod that backs off need not wait, unless an error sent it there."""
        held = []
        found = None
        while self._backoff and found is None:
            item = heappop(self._backoff)
            if item[2].stamp != item[1]:
                continue
            if item[2].by_error:
                held.append(item)
            else:
                found = item[2]
        for item in held:
            heappush(self._backoff, item)
        return found

    def _flush(self) -> None:
        """What has backed off long enough, or waited for an event too long, becomes active."""
        now = self._clock.monotonic()
        while self._backoff and (self._backoff[0][0] <= now or self._backoff[0][2].stamp != self._backoff[0][1]):
            _, stamp, waiting = heappop(self._backoff)
            if waiting.stamp == stamp:
                self._activate(waiting)
        while self._unschedulable:
            first = next(iter(self._unschedulable.values()))
            if now - first.failed_at < LEFTOVER_SECONDS:
                break
            del self._unschedulable[first.pod.uid]
            self._activate(first)

    def _next_flush(self) -> float | None:
        """Seconds until _flush() has something to do."""
        now = self._clock.monotonic()
        due = [self._backoff[0][0]] if self._backoff else []
        if self._unschedulable:
            due.append(next(iter(self._unschedulable.values())).failed_at + LEFTOVER_SECONDS)
        return max(0.0, min(due) - now) if due else None


def _asks_differently(old: PodInfo, new: PodInfo) -> bool:
    """Status updates (our own among them) do not make a pod fit."""
    return old.spec != new.spec or old.labels != new.labels
