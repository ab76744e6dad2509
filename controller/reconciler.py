"""Turns keys into calls of a reconcile function: several workers on one queue, never two on one key, errors come back later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter

import httpx

from pocketkube.api.meta import errors
from pocketkube.base import metrics
from pocketkube.base.clock import Clock
from pocketkube.client.informer import Informer
from pocketkube.client.workqueue import WorkQueue

log = logging.getLogger(__name__)

_DURATION = metrics.histogram(
    "workqueue_work_duration_seconds",
    "How long processing an item of the queue took.",
    ["name"],
    buckets=(0.0001, 0.001, 0.01, 0.1, 1.0, 10.0),
)
_RETRIES = metrics.counter("workqueue_retries_total", "Items put back into the queue after an error.", ["name"])
_DEPTH = metrics.gauge("workqueue_depth", "Items that wait in the queue.", ["name"])

Reconcile = Callable[[str], Awaitable[float | None]]


class Reconciler:
    """A queue of keys and its workers. `reconcile(key)` may return seconds after which to look again.

    A failed key returns after 5 ms, then twice as long each time, at most 1000 s, and is forgiven after one success.
    """

    def __init__(self, name: str, reconcile: Reconcile, *, clock: Clock, workers: int = 5):
        self.name = name
        self.queue: WorkQueue[str] = WorkQueue(clock)
        self._reconcile = reconcile
        self._duration, self._retries = _DURATION.labels(name), _RETRIES.labels(name)
        _DEPTH.labels(name).set_function(lambda: len(self.queue))
        self._workers = workers

    def add(self, key: str) -> None:
        self.queue.add(key)

    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)

    async def run(self, waits_for: Iterable[Informer] = ()) -> None:
        """Works until cancelled, once every cache it reads has been filled."""
        for informer in waits_for:
            await informer.wait_synced()
        tasks = [asyncio.create_task(self._work(), name=f"{self.name}-{i}") for i in range(self._workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            self.queue.shut_down()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            start = perf_counter()
            try:
                await self._process(key)
            finally:
                self.queue.done(key)
                self._duration.observe(perf_counter() - start)

    async def _process(self, key: str) -> None:
        try:
            again = await self._reconcile(key)
        except (errors.Conflict, errors.AlreadyExists) as error:  # a stale cache: the newer object is on its way
            log.debug("%s: %s: %s", self.name, key, error)
        except (errors.StatusError, httpx.HTTPError) as error:
            log.warning("%s: %s: %s: %s", self.name, key, type(error).__name__, error)
        except Exception:
            log.exception("%s: %s: failed", self.name, key)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)
            return
        self._retries.inc()
        self.queue.add_rate_limited(key)
