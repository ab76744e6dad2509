"""A keyed work queue: every key added is worked on, no key by two workers at once, and adds during work are not lost.

The guarantees are those of client-go's workqueue:
  - fair: keys come out in the order they went in;
  - stingy: a key added several times before it is taken is handed out once;
  - exclusive: between get() and done() nobody else gets that key; if it is added meanwhile, it comes again after done();
  - delays: add_after() and add_rate_limited() hold a key back; of two delays of one key the earlier counts.

    add(a) add(b) add(a)      queue: a b
    get() -> a                queue: b      in work: a
    add(a)                    queue: b      in work: a, dirty again
    done(a)                   queue: b a
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from pocketkube.base.clock import Clock, SystemClock

Key = TypeVar("Key", bound=Hashable)


class ShutDown(Exception):
    """get() on a queue that was shut down and is drained."""


class WorkQueue(Generic[Key]):
    """See the module. `initial` and `maximum` bound the delay (seconds) of add_rate_limited, which doubles a failure."""

    def __init__(self, clock: Clock | None = None, *, initial: float = 0.005, maximum: float = 1000.0):
        self._clock = clock or SystemClock()
        self._initial, self._maximum = initial, maximum
        self._ready: deque[Key] = deque()
        self._dirty: set[Key] = set()  # waiting for work, whether in _ready or still held by a worker
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._delays: list[tuple[float, int, Key]] = []  # (deadline, tie breaker, key); stale where _deadlines differs
        self._deadlines: dict[Key, float] = {}
        self._count = 0
        self._timer: asyncio.Task[None] | None = None
        self._timer_deadline = 0.0

    def __len__(self) -> int:
        """Keys ready to be taken; not those delayed or in work."""
        return len(self._ready)

    def add(self, key: Key) -> None:
        """Marks `key` as needing work. Never blocks; ignored after shut_down."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._push(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """add() in `seconds` from now, unless an earlier delay of that key is already running."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        deadline = self._clock.monotonic() + seconds
        if deadline >= self._deadlines.get(key, float("inf")):
            return
        self._deadlines[key] = deadline
        self._count += 1
        heapq.heappush(self._delays, (deadline, self._count, key))
        self._arm()

    def add_rate_limited(self, key: Key) -> None:
        """add_after() by a delay that doubles with every call since the last forget()."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._maximum, self._initial * 2 ** min(failures, 60)))

    def failures(self, key: Key) -> int:
        """How often add_rate_limited() was called since the last forget()."""
        return self._failures.get(key, 0)

    def forget(self, key: Key) -> None:
        """The key's work succeeded: its next failure starts from the shortest delay again."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key, waiting for one. The taker must call done(). Raises ShutDown once closed and empty."""
        while not self._ready:
            if self._closed:
                raise ShutDown
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                self._wake_another(taker)
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """Work on `key` ended, well or not. If it was added meanwhile it goes to the end of the queue."""
        self._working.discard(key)
        if key in self._dirty:
            self._push(key)

    def shut_down(self) -> None:
        """No more adds; takers get what is ready, then ShutDown. Delayed keys are dropped."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._takers:
            _wake(self._takers.popleft())

    def _push(self, key: Key) -> None:
        self._ready.append(key)
        while self._takers:
            if _wake(self._takers.popleft()):
                break

    def _wake_another(self, taker: asyncio.Future[None]) -> None:
        """A cancelled taker hands on the wake-up it had already got, or leaves the line."""
        if taker.done() and not taker.cancelled():
            if self._ready:
                while self._takers and not _wake(self._takers.popleft()):
                    pass
        else:
            with contextlib.suppress(ValueError):
                self._takers.remove(taker)

    def _arm(self) -> None:
        """Keeps one timer, for the earliest deadline."""
        if not self._delays:
            return
        earliest = self._delays[0][0]
        if self._timer is not None and not self._timer.done():
            if self._timer_deadline <= earliest:
                return
            self._timer.cancel()
        self._timer_deadline = earliest
        self._timer = asyncio.get_running_loop().create_task(self._wait(), name="workqueue-delays")

    async def _wait(self) -> None:
        while self._delays:
            now = self._clock.monotonic()
            while self._delays and self._delays[0][0] <= now:
                deadline, _, key = heapq.heappop(self._delays)
                if self._deadlines.get(key) == deadline:
                    del self._deadlines[key]
                    self.add(key)
            if not self._delays:
                return
            self._timer_deadline = self._delays[0][0]
            await self._clock.sleep(self._timer_deadline - now)


def _wake(taker: asyncio.Future[None]) -> bool:
    if taker.done():
        return False
    taker.set_result(None)
    return True
