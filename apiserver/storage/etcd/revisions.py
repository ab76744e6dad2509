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
        self._waiting: list[asyncio.Future[int]] = []  # for the request after the running one
        self._running = False

    def current(self) -> asyncio.Future[int]:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if not self._running:
            self._running = True
            tasks.spawn("store revision", self._run())
        return future

    async def _run(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            revision, failure = 0, None
            try:
                revision = await self._fetch()
            except Exception as fault:  # each of those who wait is told
                failure = fault
            for future in waiting:
                if future.done():  # who asked has left
                    continue
                if failure is None:
                    future.set_result(revision)
                else:
                    future.set_exception(failure)
        self._running = False
