"""What runs beside the requests: the services of the configuration are polled, and a changed file is taken over."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from apiserver.configfile import BadFile
from apiserver.storage.encryption.configuration import Encryption, Settings, load
from apiserver.storage.encryption.store import EncryptedStore
from pocketkube.base import tasks
from pocketkube.base.backoff import Backoff

log = logging.getLogger(__name__)

RELOAD_SECONDS = 2.0
AGAIN_SECONDS = 1.0
GRACE_SECONDS = 10.0  # at least, that a new service has to answer and calls to an old one have to end


class Upkeep:
    def __init__(self, store: EncryptedStore, path: str, settings: Settings):
        self._store, self._path, self._settings = store, path, settings
        self._clock = settings.clock
        self._polls: dict[Encryption, list[asyncio.Task[Any]]] = {}
        self._ending: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Until cancelled. A configuration that is bad, or whose services do not answer, is said and not taken."""
        self._begin(self._store.encryption)
        try:
            if self._settings.reload:
                await self._follow()
            await asyncio.Event().wait()
        finally:
            polls = [task for found in self._polls.values() for task in found]
            await tasks.cancel(*polls, *self._ending)

    def _begin(self, encryption: Encryption) -> None:
        self._polls[encryption] = [tasks.spawn(f"poll {s.name}", s.poll()) for s in encryption.services]

    async def _follow(self) -> None:
        seen = await asyncio.to_thread(_digest, self._path)
        backoff = Backoff(RELOAD_SECONDS, 60.0)
        wait = RELOAD_SECONDS
        while True:
            await self._clock.sleep(wait)
            wait = RELOAD_SECONDS
            now = await asyncio.to_thread(_digest, self._path)
            if now == seen:
                continue
            try:
                await self._take_over()
                seen = now
                backoff.reset()
            except BadFile as bad:
                self._store.measures.reloaded("failure")
                log.error("the encryption configuration stays as it was: %s", bad)
                wait = backoff.next()

    async def _take_over(self) -> None:
        new = await asyncio.to_thread(load, self._path, self._settings)
        try:
            if why := await self._unhealthy(new):
                raise BadFile(f"{self._path}: health check for new transformers failed, polling error {why}")
        except BaseException:
            for service in new.services:
                service.close()
            raise
        old, self._store.encryption = self._store.encryption, new
        self._begin(new)
        self._store.measures.reloaded("success")
        log.info("took over the encryption configuration in %s", self._path)
        self._end_later(self._leave(old))

    async def _unhealthy(self, new: Encryption) -> str:
        until = self._clock.monotonic() + _grace(new)
        while (why := await new.check()) and self._clock.monotonic() < until:
            await self._clock.sleep(AGAIN_SECONDS)
        return why

    def _end_later(self, leaving: Coroutine[Any, Any, None]) -> None:
        task = tasks.spawn("leave key management services", leaving)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _leave(self, old: Encryption) -> None:
        """Calls that are under way still end."""
        await tasks.cancel(*self._polls.pop(old, ()))
        if old.services:
            await self._clock.sleep(_grace(old))
        for service in old.services:
            service.close()


def _grace(encryption: Encryption) -> float:
    return max(GRACE_SECONDS, 2 * sum(service.seconds for service in encryption.services))


def _digest(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b""
