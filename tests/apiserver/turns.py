"""Turns of an event loop that took long, by the loop's own CPU: another busy process is nobody's fault here.

A thread posts a callback, again and again, and looks how much CPU the loop's thread used until it ran. While that grows it takes
the loop's stack, so that a report says where the time went.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

LIMIT_SECONDS = 0.05
_LOOK_SECONDS = 0.004  # between two looks at a turn that goes on


class Turn(NamedTuple):
    cpu: float  # seconds of the loop's thread
    wall: float
    stack: str  # somewhere within it; "" where one call into C held everyone up


class LongTurns:
    """Entered on the loop that is watched. `longest` is over all turns, `found` those over the limit."""

    def __init__(self, *, limit: float = LIMIT_SECONDS, report: Callable[[Turn], None] | None = None) -> None:
        self.longest = 0.0
        self.found: list[Turn] = []
        self._limit = limit
        self._report = report or self.found.append
        self._stop = threading.Event()

    def __enter__(self) -> LongTurns:
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self._ident)
        self._thread = threading.Thread(target=self._watch, name="long turns", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.001):
            turned = threading.Event()
            cpu, wall = time.clock_gettime(self._clock), time.monotonic()
            try:
                self._loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            stack = self._until(turned, cpu)
            self._took(Turn(time.clock_gettime(self._clock) - cpu, time.monotonic() - wall, stack))

    def _until(self, turned: threading.Event, cpu: float) -> str:
        stack = ""
        while not turned.wait(_LOOK_SECONDS) and not self._stop.is_set():
            if not stack and time.clock_gettime(self._clock) - cpu > self._limit / 2:
                frame = sys._current_frames().get(self._ident)
                stack = "".join(traceback.format_stack(frame)[-14:]) if frame is not None else ""
        return stack

    def _took(self, turn: Turn) -> None:
        self.longest = max(self.longest, turn.cpu)
        if turn.cpu > self._limit:
            self._report(turn)
