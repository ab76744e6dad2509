"""Whether a key management service can be used: asked when someone wants to know, remembered for seconds, and polled."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from apiserver.storage.encryption.kms.service import Service
from pocketkube.base.clock import Clock

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Poller:
    """What both versions share. Of a check's answer: `why` and `healthy`."""

    GOOD_SECONDS, BAD_SECONDS = 20.0, 3.0  # that an answer is remembered
    POLL_SECONDS, AGAIN_SECONDS = 60.0, 10.0  # between checks nobody asked for; after one that failed

    def __init__(self, service: Service, clock: Clock):
        self.service = service
        self.name = service.name
        self.clock = clock
        self.healthy = True
        self.why = ""
        self._known_until = float("-inf")
        self._lock: asyncio.Lock | None = None

    @property
    def seconds(self) -> float:
        return self.service.seconds

    def suspect(self) -> None:
        """A call failed: the next check asks again, and soon."""
        self.healthy = False
        self._known_until = float("-inf")

    async def check(self) -> str:
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self.clock.monotonic() < self._known_until:
                return self.why
            self.why = await self.probe()
            self.healthy = not self.why
            self._known_until = self.clock.monotonic() + (self.GOOD_SECONDS if self.healthy else self.BAD_SECONDS)
        return self.why

    async def probe(self) -> str:
        raise AssertionError("each version has its own")

    async def poll(self) -> None:
        last = float("-inf")
        while True:
            now = self.clock.monotonic()
            if not self.healthy or now - last >= self.POLL_SECONDS:
                last = now
                if why := await self.check():
                    log.error("kms plugin %s failed its health check: %s", self.name, why)
            await self.clock.sleep(self.AGAIN_SECONDS)

    def close(self) -> None:
        self.service.close()


class Kept(Generic[K, V]):
    """The newest values by key: for `seconds` after they were last put, 0 is for ever; `most` of them, 0 is any number."""

    def __init__(self, seconds: float, clock: Clock, *, most: int = 0):
        self._seconds, self._most = seconds, most
        self._clock = clock
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()  # the one put first, first

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        found = self._values.get(key)
        return None if found is None else found[1]

    def put(self, key: K, value: V) -> None:
        now = self._clock.monotonic()
        self._values[key] = (now, value)
        self._values.move_to_end(key)
        while self._values:
            put, _ = next(iter(self._values.values()))
            old = self._seconds and now - put > self._seconds
            if not old and not (self._most and len(self._values) > self._most):
                break
            self._values.popitem(last=False)
