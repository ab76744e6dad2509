"""A Store in this process's memory, with etcd's semantics: for tests, and to read what a store is."""

from __future__ import annotations

import asyncio
import builtins
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable

from apiserver.storage.interface import (
    Batch,
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    Page,
    RevisionMismatch,
    Stored,
    ValueTooLarge,
    ignore,
)

LARGEST = 3 << 19  # bytes of a value: 1.5 MiB, what etcd takes unless it is told otherwise


class MemoryStore:
    """Every change of every key since the last compaction is kept, in order; one change a revision."""

    def __init__(self) -> None:
        self.acknowledged: Callable[[Change], None] = ignore
        self._revision = 1
        self._compacted = 0  # reads and watches below are gone
        self._keys: list[str] = []
        self._now: dict[str, Stored] = {}
        self._changes: list[Change] = []
        self._changed = asyncio.Event()
        self._expiries: dict[str, asyncio.TimerHandle] = {}

    async def get(self, key: str) -> Stored | None:
        return self._now.get(key)

    async def list(self, prefix: str, *, limit: int = 0, start: str = "", revision: int = 0) -> Page:
        keys, now = (self._keys, self._now) if not revision else self._at(revision)
        first = bisect_left(keys, max(start, prefix))
        end = bisect_left(keys, _end(prefix), first)
        last = min(end, first + limit) if limit else end
        items = [now[key] for key in keys[first:last]]
        return Page(items=items, revision=self._revision, more=last < end, remaining=end - last)

    def _at(self, revision: int) -> tuple[builtins.list[str], dict[str, Stored]]:
        """The keys and values as they were: today's, with the later changes undone."""
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision < self._compacted:
            raise Compacted(self._compacted)
        then = dict(self._now)
        for change in reversed(self._changes[self._index_after(revision) :]):
            if change.previous is None:
                del then[change.key]
            else:
                then[change.key] = change.previous
        return sorted(then), then

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        if key in self._now:
            raise KeyExists(key)
        return self._acknowledge(self._put(key, value, ttl_seconds))

    async def update(self, key: str, value: bytes, *, revision: int, ttl_seconds: int = 0) -> int:
        self._expect(key, revision)
        return self._acknowledge(self._put(key, value, ttl_seconds))

    async def delete(self, key: str, *, revision: int) -> int:
        self._expect(key, revision)
        return self._acknowledge(self._remove(key))

    def _acknowledge(self, change: Change) -> int:
        self.acknowledged(_without_previous(change))
        return change.revision

    def _expect(self, key: str, revision: int) -> None:
        current = self._now.get(key)
        if current is None:
            raise KeyMissing(key)
        if current.revision != revision:
            raise RevisionMismatch(current)

    def _put(self, key: str, value: bytes, ttl_seconds: int) -> Change:
        if len(value) > LARGEST:
            raise ValueTooLarge("request is too large")
        previous = self._now.get(key)
        revision = self._revision + 1
        if previous is None:
            insort(self._keys, key)
        created = previous.created if previous else revision
        self._now[key] = Stored(key, value, revision, created)
        self._expire_after(key, ttl_seconds)
        return self._append(Change(key, value, revision, deleted=False, previous=previous))

    def _remove(self, key: str) -> Change:
        self._expire_after(key, 0)
        previous = self._now.pop(key)
        del self._keys[bisect_left(self._keys, key)]
        return self._append(Change(key, b"", self._revision + 1, deleted=True, previous=previous))

    def _append(self, change: Change) -> Change:
        self._revision = change.revision
        self._changes.append(change)
        self._changed.set()
        self._changed = asyncio.Event()
        return change

    def _expire_after(self, key: str, seconds: int) -> None:
        """Remove the key after that long (0: never); replaces what was set before, as a new lease does."""
        if (timer := self._expiries.pop(key, None)) is not None:
            timer.cancel()
        if seconds:
            self._expiries[key] = asyncio.get_running_loop().call_later(seconds, self._remove, key)

    async def current_revision(self) -> int:
        return self._revision

    async def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        while True:
            if after + 1 < self._compacted:
                raise Compacted(self._compacted)
            changed = self._changed
            if after < self._revision:
                found = [c for c in self._changes[self._index_after(after) :] if c.key.startswith(prefix)]
                after = self._revision
                yield Batch(found if previous else [_without_previous(c) for c in found], after)
            else:
                await changed.wait()

    def _index_after(self, revision: int) -> int:
        return bisect_left(self._changes, revision + 1, key=lambda change: change.revision)

    def stale(self, key: str) -> bool:
        return False

    async def compact(self, revision: int) -> None:
        if revision > self._revision:
            raise FutureRevision(revision, self._revision)
        if revision <= self._compacted:
            raise Compacted(self._compacted)
        del self._changes[: self._index_after(revision)]
        self._compacted = revision

    async def close(self) -> None:
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()


def _end(prefix: str) -> str:
    """The first key after all that start with the prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else chr(0x10FFFF)


def _without_previous(change: Change) -> Change:
    return Change(change.key, change.value, change.revision, change.deleted, None)
