"""One priority level: its seats, the seats it lends and borrows, and the queues where the others wait.

Fair queuing in virtual time. Each queue has the virtual time at which its next request would start if all queues were served
at once; the earliest is served, and its time moves on by the seats it took. A queue that was empty starts at the level's time:
it has no claim on what it did not ask for. Example: A holds 50 requests at time 1..50 and B comes with one: B starts at A's
present time, so it is the next or the one after, not the 51st.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Obj = dict[str, Any]


class Rejected(Exception):
    """No seat, and no waiting for one; `.reason` is queue-full, concurrency-limit or time-out."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Waiting(NamedTuple):
    future: asyncio.Future[bool]  # True: seated; False: the time is over
    width: int
    arrived: float = 0.0  # Unix seconds
    who: object = None  # for those who want to see who waits


class Queue:
    __slots__ = ("items", "seats", "start")

    def __init__(self) -> None:
        self.items: deque[Waiting] = deque()
        self.seats = 0  # that its requests wait for
        self.start = 0.0  # virtual time of its next request


@dataclass(frozen=True, slots=True)
class Limits:
    """What a PriorityLevelConfiguration says, in seats. `queues` 0: reject instead of queuing. `borrowing` None: no limit."""

    nominal: int
    lendable: int = 0
    borrowing: int | None = None
    queues: int = 0
    hand: int = 0
    queue_length: int = 0


class Level:
    """`used` of `limit` seats are taken; `limit` is the nominal number, plus what is borrowed, less what is lent."""

    __slots__ = (
        "_clock", "_lenders", "_queues", "_rack", "executing", "exempt", "lent", "limit", "limits", "name", "shares", "uid", "used",
        "waiting",
    )  # fmt: skip

    def __init__(self, name: str, rack: list[Level], *, exempt: bool = False):
        self.name = name
        self.uid = ""
        self.exempt = exempt
        self.shares = 0
        self.limits = Limits(1)
        self.limit = 1
        self.used = 0
        self.executing = 0  # requests
        self.waiting = 0  # requests
        self.lent = 0
        self._rack = rack  # all levels of the server
        self._lenders: list[Level] = []
        self._queues: list[Queue] = []
        self._clock = 0.0

    @property
    def borrowed(self) -> int:
        return len(self._lenders)

    def configure(self, limits: Limits) -> None:
        """Take new limits; who waits keeps its place, also where there are fewer queues now."""
        self.limit += limits.nominal - self.limits.nominal
        self.limits = limits
        kept = [queue for queue in self._queues if queue.items]
        while len(self._queues) < limits.queues:
            self._queues.append(Queue())
        del self._queues[limits.queues :]
        if limits.queues:
            for queue in kept:
                if queue not in self._queues:
                    self._queues[0].items += queue.items
                    self._queues[0].seats += queue.seats
        else:
            self._queues = kept
        self._dispatch()

    def take(self, width: int) -> bool:
        """A seat at once, where there is one and nobody waits."""
        if self.waiting or not self._fits(width):
            return False
        self.used += width
        self.executing += 1
        return True

    def _fits(self, width: int) -> bool:
        """A wide request on an idle level may be wider than the level."""
        while self.used + width > self.limit and self.used:
            if not self._borrow():
                return False
        return self.limit > 0 or self._borrow()

    def _borrow(self) -> bool:
        limits = self.limits
        if limits.borrowing is not None and len(self._lenders) >= limits.borrowing:
            return False
        for other in self._rack:
            if (
                other.lent < other.limits.lendable
                and other.used < other.limit
                and not other.waiting
                and other is not self
            ):
                other.lent += 1
                other.limit -= 1
                self.limit += 1
                self._lenders.append(other)
                return True
        return False

    def release(self, width: int) -> None:
        self.used -= width
        self.executing -= 1
        if self._lenders:
            self._give_back()
        if self.waiting:
            self._dispatch()

    def _give_back(self) -> None:
        """Free borrowed seats go home, but while requests wait here and none there."""
        while self._lenders and self.used < self.limit and (not self.waiting or self._lenders[-1].waiting):
            lender = self._lenders.pop()
            lender.lent -= 1
            lender.limit += 1
            self.limit -= 1
            lender._dispatch()

    @property
    def queues(self) -> Sequence[Queue]:
        return self._queues

    async def wait(self, hand: Sequence[int], width: int, seconds: float, *, who: object = None) -> None:
        """Wait for a seat in the shortest queue of a hand, and take it. Raises Rejected."""
        if not self._queues:
            raise Rejected("concurrency-limit")
        queue = min((self._queues[at % len(self._queues)] for at in hand), key=lambda queue: queue.seats)
        if len(queue.items) >= self.limits.queue_length:
            raise Rejected("queue-full")
        loop = asyncio.get_running_loop()
        item = Waiting(loop.create_future(), width, time.time(), who)
        self._enqueue(queue, item)
        timer = loop.call_later(seconds, self._give_up, item)
        try:
            seated = await item.future
        except asyncio.CancelledError:
            if item.future.done() and not item.future.cancelled() and item.future.result():
                self.release(width)
            else:
                self._leave(item)
            raise
        finally:
            timer.cancel()
        if not seated:
            raise Rejected("time-out")

    def _enqueue(self, queue: Queue, item: Waiting) -> None:
        if not queue.items:
            queue.start = max(queue.start, self._clock)
        queue.items.append(item)
        queue.seats += item.width
        self.waiting += 1

    def _give_up(self, item: Waiting) -> None:
        if not item.future.done():
            self._leave(item)
            item.future.set_result(False)

    def _leave(self, item: Waiting) -> None:
        for queue in self._queues:
            if item in queue.items:
                queue.items.remove(item)
                queue.seats -= item.width
                self.waiting -= 1
                return

    def _dispatch(self) -> None:
        while self.waiting:
            queue = min((queue for queue in self._queues if queue.items), key=lambda queue: queue.start)
            width = queue.items[0].width
            if not self._fits(width):
                return
            item = queue.items.popleft()
            queue.seats -= width
            self.waiting -= 1
            self._clock = queue.start
            queue.start += width
            self.used += width
            self.executing += 1
            item.future.set_result(True)
