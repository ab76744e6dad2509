"""A Store whose keys stand below another prefix in the store behind it: several clusters may share one etcd."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from apiserver.storage.interface import (
    Batch,
    Change,
    KeyExists,
    KeyMissing,
    Page,
    RevisionMismatch,
    Store,
    Stored,
    ignore,
)

ROOT = "/registry"  # what everyone on this side writes


class Relocated:
    """`prefix` stands behind for `/registry`; without a slash at its end."""

    def __init__(self, inner: Store, prefix: str):
        self._inner, self._prefix = inner, prefix
        self._told: Callable[[Change], None] = ignore
        inner.acknowledged = lambda change: self._told(self._change(change))

    @property
    def acknowledged(self) -> Callable[[Change], None]:
        return self._told

    @acknowledged.setter
    def acknowledged(self, told: Callable[[Change], None]) -> None:
        self._told = told

    def _behind(self, key: str) -> str:
        return self._prefix + key[len(ROOT) :] if key.startswith(f"{ROOT}/") else key

    def _key(self, behind: str) -> str:
        return ROOT + behind[len(self._prefix) :] if behind.startswith(f"{self._prefix}/") else behind

    def _stored(self, stored: Stored) -> Stored:
        return stored._replace(key=self._key(stored.key))

    def _change(self, change: Change) -> Change:
        previous = None if change.previous is None else self._stored(change.previous)
        return change._replace(key=self._key(change.key), previous=previous)

    async def get(self, key: str) -> Stored | None:
        found = await self._inner.get(self._behind(key))
        return None if found is None else self._stored(found)

    async def list(self, prefix: str, *, limit: int = 0, start: str = "", revision: int = 0) -> Page:
        first = self._behind(start) if start else ""
        page = await self._inner.list(self._behind(prefix), limit=limit, start=first, revision=revision)
        items = [self._stored(item) for item in page.items]
        return Page(items=items, revision=page.revision, more=page.more, remaining=page.remaining)

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        try:
            return await self._inner.create(self._behind(key), value, ttl_seconds=ttl_seconds)
        except KeyExists:
            raise KeyExists(key) from None

    async def update(self, key: str, value: bytes, *, revision: int, ttl_seconds: int = 0) -> int:
        try:
            return await self._inner.update(self._behind(key), value, revision=revision, ttl_seconds=ttl_seconds)
        except RevisionMismatch as mismatch:
            raise RevisionMismatch(self._stored(mismatch.current)) from None
        except KeyMissing:
            raise KeyMissing(key) from None

    async def delete(self, key: str, *, revision: int) -> int:
        try:
            return await self._inner.delete(self._behind(key), revision=revision)
        except RevisionMismatch as mismatch:
            raise RevisionMismatch(self._stored(mismatch.current)) from None
        except KeyMissing:
            raise KeyMissing(key) from None

    async def current_revision(self) -> int:
        return await self._inner.current_revision()

    async def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        async for batch in self._inner.watch(self._behind(prefix), after=after, previous=previous):
            yield Batch([self._change(change) for change in batch.changes], batch.revision)

    def stale(self, key: str) -> bool:
        return self._inner.stale(self._behind(key))

    async def compact(self, revision: int) -> None:
        await self._inner.compact(revision)

    async def close(self) -> None:
        await self._inner.close()
