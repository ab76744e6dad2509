"""A Store that seals on the way in and opens on the way out; who reads and writes through it sees plain values alone."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from time import perf_counter

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from apiserver.storage.encryption.configuration import Encryption
from apiserver.storage.encryption.measures import Measures
from apiserver.storage.encryption.providers import SEALED, CannotOpen, Provider
from apiserver.storage.interface import (
    Batch,
    CannotTransform,
    Change,
    Page,
    RevisionMismatch,
    Store,
    Stored,
    StoreUnavailable,
    ignore,
)

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]


class EncryptedStore(Collector):
    """A metrics collector too. `encryption` may be replaced at any time."""

    def __init__(self, inner: Store, encryption: Encryption, measures: Measures | None = None):
        self.encryption = encryption
        self.measures = measures or Measures()
        self._inner = inner
        self._forms: dict[str, bytes] = {}  # etcd key -> how it is sealed, for the resources that are encrypted
        self._told: Callable[[Change], None] = ignore
        self._written: dict[bytes, bytes] = {}  # sealed -> plain values of writes under way
        self._missed: set[str] = set()  # etcd keys whose change came while their service did not answer
        inner.acknowledged = self._acknowledged

    @property
    def acknowledged(self) -> Callable[[Change], None]:
        return self._told

    @acknowledged.setter
    def acknowledged(self, told: Callable[[Change], None]) -> None:
        self._told = told

    def _acknowledged(self, change: Change) -> None:
        """Stores tell of a write before it returns, and of no previous value."""
        plain = self._written.get(change.value)
        self._told(change if plain is None else change._replace(value=plain))

    def stale(self, key: str) -> bool:
        """Whether a value is sealed with another key than the one that seals now: to be written again though it is the same."""
        keys = self.encryption.keys_of(key)
        return keys is not None and self._forms.get(key, keys.write.form) != keys.write.form

    def health_checks(self) -> dict[str, Check]:
        """Of key management services, as upstream names them: one for all, or one each."""
        if self.encryption.one_check:
            return {"kms-providers": lambda: self.encryption.check()}
        return {f"kms-provider-{at}": service.check for at, service in enumerate(self.encryption.services)}

    def collect(self) -> Iterable[Metric]:
        return self.measures.collect()

    # reads

    async def _open(self, stored: Stored) -> Stored:
        """Opened; a value that never can be is left as it is, which no one can read, and said. Raises CannotTransform."""
        keys = self.encryption.keys_of(stored.key)
        if keys is None:
            if stored.value.startswith(SEALED):
                log.error("the stored value of %s is sealed, and no key is configured for it", stored.key)
            return stored
        started, prefix = perf_counter(), b"unknown"
        try:
            provider = keys.reader(stored.value)
            prefix = provider.prefix
            plain, form = await provider.open(stored.value, stored.key.encode())
        except CannotOpen as failure:
            self.measures.transformed("from_storage", prefix, "Internal", 0.0)
            log.error("the stored value of %s cannot be opened: %s", stored.key, failure)
            return stored
        except CannotTransform as failure:
            self.measures.transformed("from_storage", prefix, "Unavailable", 0.0)
            raise CannotTransform(f'unable to transform key "{stored.key}": {failure}') from None
        self._forms[stored.key] = form
        self.measures.transformed("from_storage", prefix, "OK", perf_counter() - started)
        return stored._replace(value=plain)

    async def get(self, key: str) -> Stored | None:
        found = await self._inner.get(key)
        return None if found is None else await self._open(found)

    async def list(self, prefix: str, *, limit: int = 0, start: str = "", revision: int = 0) -> Page:
        page = await self._inner.list(prefix, limit=limit, start=start, revision=revision)
        items = [await self._open(item) for item in page.items]
        return Page(items=items, revision=page.revision, more=page.more, remaining=page.remaining)

    async def current_revision(self) -> int:
        return await self._inner.current_revision()

    async def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        """One stream brings all resources: it goes on where a service does not answer, and breaks once it does again, so
        that everything is read anew."""
        self._missed.clear()
        async for batch in self._inner.watch(prefix, after=after, previous=previous):
            if self._missed and not self._silent():
                raise StoreUnavailable("a key management service answers again")
            yield Batch([await self._opened_change(change) for change in batch.changes], batch.revision)

    def _silent(self) -> bool:
        return not all(service.healthy for service in self.encryption.services)

    async def _opened_change(self, change: Change) -> Change:
        if self.encryption.keys_of(change.key) is None:
            return change
        try:
            previous = await self._opened_unless_silent(change.previous) if change.previous is not None else None
            if change.deleted:
                self._forms.pop(change.key, None)
                return change._replace(previous=previous)
            stored = await self._opened_unless_silent(Stored(change.key, change.value, change.revision))
        except CannotTransform as failure:
            self._missed.add(change.key)
            log.error("a change is missed until its key can be had: %s", failure)
            return change
        return change._replace(value=stored.value, previous=previous)

    async def _opened_unless_silent(self, stored: Stored) -> Stored:
        if self._missed and self._silent():
            raise CannotTransform(f'unable to transform key "{stored.key}": a key management service is silent')
        return await self._open(stored)

    # writes

    async def _seal(self, key: str, value: bytes) -> bytes:
        keys = self.encryption.keys_of(key)
        if keys is None:
            return value
        write: Provider = keys.write
        started = perf_counter()
        try:
            sealed = await write.seal(value, key.encode())
        except CannotTransform:
            self.measures.transformed("to_storage", write.prefix, "Unavailable", 0.0)
            raise
        self.measures.transformed("to_storage", write.prefix, "OK", perf_counter() - started)
        self._written[sealed] = value
        self._forms[key] = write.form
        return sealed

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        sealed = await self._seal(key, value)
        try:
            return await self._inner.create(key, sealed, ttl_seconds=ttl_seconds)
        finally:
            self._written.pop(sealed, None)

    async def update(self, key: str, value: bytes, *, revision: int, ttl_seconds: int = 0) -> int:
        before = self._forms.get(key)
        sealed = await self._seal(key, value)
        try:
            return await self._inner.update(key, sealed, revision=revision, ttl_seconds=ttl_seconds)
        except RevisionMismatch as mismatch:
            raise RevisionMismatch(await self._open(mismatch.current)) from None
        except BaseException:
            if before is not None:
                self._forms[key] = before
            raise
        finally:
            self._written.pop(sealed, None)

    async def delete(self, key: str, *, revision: int) -> int:
        try:
            return await self._inner.delete(key, revision=revision)
        except RevisionMismatch as mismatch:
            raise RevisionMismatch(await self._open(mismatch.current)) from None

    async def compact(self, revision: int) -> None:
        await self._inner.compact(revision)

    async def close(self) -> None:
        for service in self.encryption.services:
            service.close()
        await self._inner.close()
