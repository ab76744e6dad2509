"""Waiting that ends at once when what was waited for does not matter any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The pod is to be terminated: what was being waited for does not matter any more."""


class Interruption:
    """Comes once, and stays."""

    def __init__(self) -> None:
        self._come = asyncio.Event()

    def come(self) -> None:
        self._come.set()

    async def unless(self, work: Awaitable[T]) -> T:
        """The result of `work`; Interrupted as soon as the interruption comes. The work is then cancelled."""
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._come.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Interrupted
            return task.result()
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
