"""The Store over etcd: reads are linearizable, each write is one transaction that compares the key's mod_revision.

When a write's answer is lost, the store finds out what became of it. Every write compares the revision that it replaces, and
values carry what no other request writes (a uid, a resourceVersion that it was read at), so:

  update of revision R   The first change of the key after R is the only one that can be ours, since our transaction asks for
                         exactly R. Still at R: it was not applied, and repeating it cannot apply it twice. Otherwise walk back
                         from the current value to the first one after R: if that is our value, it was applied.
  delete of revision R   Still at R: repeat. Gone: what was asked for has happened.
  create                 It may yet be applied, or may have been and be deleted again; to repeat it could bring back what
                         someone deleted. So every create also compares the revision of one key, the fence. Whoever lost an
                         answer writes the fence: what was not applied by then never is. Now the key, or, where it is absent,
                         the history since before the create, tells whether it was applied; if not, it is repeated. Creates
                         of others that compared the fence before are refused, learn its revision, and are repeated too.

      create a, fence 5 ──lost──╮            write fence: 9 ──▶ read a: absent, no trace of ours up to 9 ──▶ create a, fence 9
                                ╰─ arrives late: the fence is not at 5, refused
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from time import perf_counter
from typing import Any

from apiserver.storage.etcd import messages, stream
from apiserver.storage.etcd.compaction import PERIOD_SECONDS, Compactor
from apiserver.storage.etcd.connection import DEADLINE_SECONDS, Ambiguous, Connection, LeaseGone, Tls
from apiserver.storage.etcd.leases import Leases
from apiserver.storage.etcd.messages import COMPACT, PUT, RANGE, TXN, rpc
from apiserver.storage.etcd.revisions import Revisions
from apiserver.storage.etcd.timing import resource_of, timings
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
    StoreUnavailable,
    ignore,
)

__all__ = ["Compactor", "EtcdStore", "Tls"]

log = logging.getLogger(__name__)

WALK_BACK = 32  # changes looked at to find out what became of a write
CREATE_TRIES = 32  # of one create, whose fence others may write again and again
LIST_SECONDS = 5.0  # a page may take etcd that long to gather
FENCE = b"pocketkube_create_fence"


class EtcdStore:
    """`endpoints`: URLs of the members ("https://10.0.0.1:2379"). Connects when first used.
    `prefix`: what all keys begin with, for what is measured."""

    def __init__(self, endpoints: Sequence[str], *, tls: Tls | None = None, prefix: str = "/registry") -> None:
        self.acknowledged: Callable[[Change], None] = ignore
        self.timings = timings()
        self._resource_of = partial(resource_of, start=len(prefix) + 1)
        self._connection = Connection(endpoints, tls)
        self._leases = Leases(self._connection)
        self._revisions = Revisions(self._fetch_revision)
        self._fences = Revisions(self._write_fence)
        self._fence = 0  # its revision as far as we know
        self._known = 0  # the newest revision that we were told of

    # reads

    async def get(self, key: str) -> Stored | None:
        started = perf_counter()
        answer = await self._connection.read(RANGE, rpc.RangeRequest(key=key.encode()).SerializeToString())
        self.timings.add(("get", self._resource_of(key)), perf_counter() - started)
        return _stored(answer.kvs[0]) if answer.kvs else None

    async def list(self, prefix: str, *, limit: int = 0, start: str = "", revision: int = 0) -> Page:
        started = perf_counter()
        first = max(prefix, start).encode()
        request = rpc.RangeRequest(key=first, range_end=_prefix_end(prefix), limit=limit, revision=revision)
        answer = await self._read_at(request, revision)
        self.timings.add(("list", self._resource_of(prefix)), perf_counter() - started)
        self._known = max(self._known, answer.header.revision)
        remaining = answer.count - len(answer.kvs)
        items = [_stored(kv) for kv in answer.kvs]
        return Page(items=items, revision=answer.header.revision, more=answer.more, remaining=remaining)

    async def _read_at(self, request: Any, revision: int) -> Any:
        try:
            return await self._connection.read(RANGE, request.SerializeToString(), seconds=LIST_SECONDS)
        except Compacted:
            raise Compacted(await self._oldest(revision)) from None
        except FutureRevision:
            raise FutureRevision(revision, await self._fetch_revision()) from None

    async def _oldest(self, revision: int) -> int:
        """The oldest revision that is kept: etcd tells it to a watch that asks for an older one."""
        try:
            async for _ in stream.follow(self._connection, "\0", after=max(revision - 1, 0)):
                break
        except Compacted as gone:
            return gone.revision
        return revision

    async def current_revision(self) -> int:
        return await self._revisions.current()

    async def _fetch_revision(self) -> int:
        answer = await self._connection.read(RANGE, _NEWEST)
        return int(answer.header.revision)

    def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        return stream.follow(self._connection, prefix, after=after, previous=previous)

    # writes

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        name, since = key.encode(), self._known
        put = await self._put(name, value, ttl_seconds)
        lost = StoreUnavailable("etcd: the create fence is written too often")
        for _ in range(CREATE_TRIES):
            request = messages.creating(name, put, fence=FENCE, revision=self._fence)
            started = perf_counter()
            try:
                answer = await self._connection.write(TXN, request)
                self.timings.add(("create", self._resource_of(key)), perf_counter() - started)
            except Ambiguous as failure:
                lost = failure
                if revision := await self._created(key, value, since, failure):
                    return revision
                continue
            except LeaseGone:
                self._leases.forget()
                put = await self._put(name, value, ttl_seconds)
                continue
            if answer.succeeded:
                return self._acknowledge(key, value, answer)
            if _found(answer) is not None:
                raise KeyExists(key)
            self._fence = _fence_of(answer)
        raise lost

    async def update(self, key: str, value: bytes, *, revision: int, ttl_seconds: int = 0) -> int:
        name = key.encode()
        request = messages.expecting(name, revision, await self._put(name, value, ttl_seconds))
        started = perf_counter()
        try:
            answer, lost = await self._compared(request)
            self.timings.add(("update", self._resource_of(key)), perf_counter() - started)
        except LeaseGone:
            self._leases.forget()
            return await self.update(key, value, revision=revision, ttl_seconds=ttl_seconds)
        if answer.succeeded:
            return self._acknowledge(key, value, answer)
        current = _found(answer)
        if lost is not None:
            return await self._updated(value, revision, current, lost)
        if current is None:
            raise KeyMissing(key)
        raise RevisionMismatch(current)

    async def delete(self, key: str, *, revision: int) -> int:
        name = key.encode()
        started = perf_counter()
        answer, lost = await self._compared(messages.expecting(name, revision, messages.delete(name)))
        self.timings.add(("delete", self._resource_of(key)), perf_counter() - started)
        if answer.succeeded:
            return self._acknowledge(key, b"", answer)
        current = _found(answer)
        if current is not None:
            raise RevisionMismatch(current)
        if lost is None:
            raise KeyMissing(key)
        return int(answer.header.revision)

    def _acknowledge(self, key: str, value: bytes, answer: Any) -> int:
        revision = self._known = int(answer.header.revision)
        self.acknowledged(Change(key, value, revision, deleted=not value, previous=None))
        return revision

    async def _put(self, name: bytes, value: bytes, ttl_seconds: int) -> bytes:
        return messages.put(name, value, await self._leases.lease(ttl_seconds) if ttl_seconds else 0)

    async def _compared(self, request: bytes) -> tuple[Any, Ambiguous | None]:
        """A transaction that compares an existing revision: it can be applied once only, so a lost one is repeated."""
        try:
            return await self._connection.write(TXN, request), None
        except Ambiguous as lost:
            return await self._connection.read(TXN, request), lost

    async def _created(self, key: str, value: bytes, since: int, lost: Ambiguous) -> int:
        """The revision of a create whose answer was lost; 0 if it was not and will not be applied. Raises KeyExists."""
        self._fence = fence = await self._fences.current()
        current = await self.get(key)
        if current is None:
            return await self._passed(key, value, since, fence, lost)
        first = current if current.revision == current.created else await self._value_at(key, current.created, lost)
        if first.value != value:
            raise KeyExists(key)
        return first.revision

    async def _passed(self, key: str, value: bytes, after: int, until: int, lost: Ambiguous) -> int:
        """The revision above `after` and up to `until` at which the key was given this value; 0 for none."""
        followed: Any = stream.follow(self._connection, key, after=after)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), aclosing(followed) as batches:
                async for batch in batches:
                    for change in batch.changes:
                        if change.key == key and change.value == value:
                            return int(change.revision)
                    if batch.revision >= until:
                        return 0
        except (TimeoutError, Compacted) as unread:
            log.warning("whether a create of %s was applied cannot be read: %s", key, unread or "no answer in time")
            raise lost from unread
        raise lost

    async def _write_fence(self) -> int:
        # Writing it once more is harmless: it can only make others repeat their creates.
        answer = await self._connection.read(PUT, rpc.PutRequest(key=FENCE).SerializeToString())
        return int(answer.header.revision)

    async def _updated(self, value: bytes, revision: int, current: Stored | None, lost: Ambiguous) -> int:
        """What became of an update of `revision` whose answer was lost: its revision if it was applied."""
        step = current
        for _ in range(WALK_BACK):
            if step is None or step.created > revision:
                break  # deleted since, perhaps after our update
            before = await self._value_at(step.key, step.revision - 1, lost)
            if before.revision == revision:
                if step.value == value:
                    return step.revision
                assert current is not None
                raise RevisionMismatch(current)
            step = before
        raise lost

    async def _value_at(self, key: str, revision: int, lost: Ambiguous) -> Stored:
        try:
            answer = await self._connection.read(
                RANGE, rpc.RangeRequest(key=key.encode(), revision=revision).SerializeToString()
            )
        except Compacted:
            raise lost from None
        if not answer.kvs:
            raise lost
        return _stored(answer.kvs[0])

    # upkeep

    def stale(self, key: str) -> bool:
        return False

    async def compact(self, revision: int) -> None:
        try:
            await self._connection.read(COMPACT, rpc.CompactionRequest(revision=revision).SerializeToString())
        except Compacted:
            raise Compacted(await self._oldest(revision)) from None

    def compactor(self, period: float = PERIOD_SECONDS) -> Compactor:
        """The upkeep that an API server runs beside serving: `tasks["compaction"] = store.compactor().run()`."""
        return Compactor(self._connection, period=period)

    async def wait_ready(self, seconds: float) -> None:
        """Until etcd answers a linearizable read. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(seconds):
                await self._fetch_revision()
        except TimeoutError:
            raise StoreUnavailable(f"etcd did not answer within {seconds:g} s") from None

    async def close(self) -> None:
        await self._connection.close()


_NEWEST: bytes = rpc.RangeRequest(key=b"compact_rev_key", count_only=True).SerializeToString()


def _prefix_end(prefix: str) -> bytes:
    """The first key after all that start with the prefix."""
    raw = prefix.encode()
    return raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"


def _stored(kv: Any) -> Stored:
    return Stored(kv.key.decode(), kv.value, kv.mod_revision, kv.create_revision)


def _found(answer: Any) -> Stored | None:
    """What the failed branch of a transaction read."""
    kvs = answer.responses[0].response_range.kvs
    return _stored(kvs[0]) if kvs else None


def _fence_of(answer: Any) -> int:
    """The fence's revision, read by the failed branch of a creation."""
    kvs = answer.responses[1].response_range.kvs
    return int(kvs[0].mod_revision) if kvs else 0
