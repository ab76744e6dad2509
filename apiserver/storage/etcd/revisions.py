"""The store's newest revision, asked for by many at once and answered to all of them with few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pocketkube.base import tasks


class Revisions:
    """Linearizable: an answer may only be shared by those who asked before its request started.

    caller A asks        -> request 1 starts
    B and C ask meanwhile-> they wait for request 2, which starts when 1 is answered
    request 1 answered   -> A; request 2 starts
    request 2 answered   -> B and C
    """

    def __init__(self, fetch: Callable[[], Awaitable[int]]) -> None:
        self._fetch = fetch
        self._next: asyncio.Future[int] | None = None  # for those who wait for the request after the running one
        self._running = False

    async def current(self) -> int:
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if not self._running:
                self._running = True
                tasks.spawn("store revision", self._run())
        return await asyncio.shield(self._next)

    async def _run(self) -> None:
        while (waiting := self._next) is not None:
            self._next = None
            try:
                waiting.set_result(await self._fetch())
            except Exception as failure:
                waiting.set_exception(failure)
                waiting.exception()  # read here once: every waiter may have left
        self._running = False
