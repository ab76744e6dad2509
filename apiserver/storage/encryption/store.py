"""A Store that seals on the way in and opens on the way out; who reads and writes through it sees plain values alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from apiserver.configfile import BadFile
from apiserver.storage.encryption.configuration import Encryption, load
from apiserver.storage.encryption.providers import CannotOpen
from apiserver.storage.interface import Batch, Change, Page, RevisionMismatch, Store, Stored, ignore
from pocketkube.base.clock import Clock, SystemClock

log = logging.getLogger(__name__)

RELOAD_SECONDS = 2.0


class EncryptedStore(Collector):
    """A metrics collector too."""

    def __init__(self, inner: Store, encryption: Encryption):
        self.encryption = encryption
        self._inner = inner
        self._sealed_by: dict[
            str, bytes
        ] = {}  # etcd key -> prefix of who sealed it, for the resources that are encrypted
        self._told: Callable[[Change], None] = ignore
        self._counts: dict[tuple[str, str, bytes], int] = {}  # direction, outcome, prefix
        inner.acknowledged = self._acknowledged

    @property
    def acknowledged(self) -> Callable[[Change], None]:
        return self._told

    @acknowledged.setter
    def acknowledged(self, told: Callable[[Change], None]) -> None:
        self._told = told

    def _acknowledged(self, change: Change) -> None:
        self._told(self._opened_change(change))

    def stale(self, key: str) -> bool:
        """Whether a value is sealed with another key than the one that seals now: to be written again though it is the same."""
        keys = self.encryption.keys_of(key)
        return keys is not None and self._sealed_by.get(key, keys.write.prefix) != keys.write.prefix

    def _seal(self, key: str, value: bytes) -> bytes:
        keys = self.encryption.keys_of(key)
        if keys is None:
            return value
        self._count("to_storage", "OK", keys.write.prefix)
        return keys.write.seal(value, key.encode())

    def _count(self, direction: str, outcome: str, prefix: bytes) -> None:
        at = (direction, outcome, prefix)
        self._counts[at] = self._counts.get(at, 0) + 1

    def collect(self) -> Iterable[CounterMetricFamily]:
        labels = ["transformation_type", "status", "transformer_prefix"]
        words = "Values sealed and opened."
        family = CounterMetricFamily("apiserver_storage_transformation_operations", words, labels=labels)
        for (direction, outcome, prefix), count in self._counts.items():
            family.add_metric([direction, outcome, prefix.decode()], count)
        yield family

    def _open(self, stored: Stored) -> Stored:
        """Opened; a value that cannot be is left as it is, which no one can read, and said."""
        keys = self.encryption.keys_of(stored.key)
        if keys is None:
            return stored
        try:
            plain, by = keys.open(stored.value, stored.key)
        except CannotOpen as failure:
            self._count("from_storage", "Internal", b"unknown")
            log.error("the stored value of %s cannot be opened: %s", stored.key, failure)
            return stored
        self._sealed_by[stored.key] = by
        self._count("from_storage", "OK", by)
        return stored._replace(value=plain)

    def _opened_change(self, change: Change) -> Change:
        if self.encryption.keys_of(change.key) is None:
            return change
        previous = None
        if change.previous is not None:
            previous = self._open(change.previous)
        if change.deleted:
            self._sealed_by.pop(change.key, None)
            return change._replace(previous=previous)
        return change._replace(
            value=self._open(Stored(change.key, change.value, change.revision)).value, previous=previous
        )

    async def get(self, key: str) -> Stored | None:
        found = await self._inner.get(key)
        return None if found is None else self._open(found)

    async def list(self, prefix: str, *, limit: int = 0, start: str = "", revision: int = 0) -> Page:
        page = await self._inner.list(prefix, limit=limit, start=start, revision=revision)
        items = [self._open(item) for item in page.items]
        return Page(items=items, revision=page.revision, more=page.more, remaining=page.remaining)

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        return await self._inner.create(key, self._seal(key, value), ttl_seconds=ttl_seconds)

    async def update(self, key: str, value: bytes, *, revision: int, ttl_seconds: int = 0) -> int:
        try:
            return await self._inner.update(key, self._seal(key, value), revision=revision, ttl_seconds=ttl_seconds)
        except RevisionMismatch as mismatch:
            raise RevisionMismatch(self._open(mismatch.current)) from None

    async def delete(self, key: str, *, revision: int) -> int:
        try:
            return await self._inner.delete(key, revision=revision)
        except RevisionMismatch as mismatch:
            raise RevisionMismatch(self._open(mismatch.current)) from None

    async def current_revision(self) -> int:
        return await self._inner.current_revision()

    async def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        async for batch in self._inner.watch(prefix, after=after, previous=previous):
            yield Batch([self._opened_change(change) for change in batch.changes], batch.revision)

    async def compact(self, revision: int) -> None:
        await self._inner.compact(revision)

    async def close(self) -> None:
        await self._inner.close()

    async def follow(self, path: str, *, clock: Clock | None = None) -> None:
        """Take over the configuration file whenever it changes, until cancelled; a bad one is said and not taken."""
        clock = clock or SystemClock()
        seen = await asyncio.to_thread(_read, path)
        while True:
            await clock.sleep(RELOAD_SECONDS)
            now = await asyncio.to_thread(_read, path)
            if now == seen:
                continue
            seen = now
            try:
                self.encryption = await asyncio.to_thread(load, path)
                log.info("took over the encryption configuration in %s", path)
            except BadFile as bad:
                log.error("the encryption configuration stays as it was: %s", bad)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
