"""The etcd store through what a process cannot see in itself: killed servers, lost answers, other API servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from grpc import aio

from apiserver.storage.etcd import EtcdStore
from apiserver.storage.etcd.compaction import Compactor
from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.revisions import Revisions
from apiserver.storage.interface import Change, KeyExists, RevisionMismatch, StoreUnavailable
from tests.conftest import Etcd, free_port

pytestmark = pytest.mark.integration

KEY = "/registry/pods/default/web"


@pytest.fixture
async def store(etcd: Etcd) -> AsyncIterator[EtcdStore]:
    opened = EtcdStore([etcd.endpoint])
    yield opened
    await opened.close()


async def test_nothing_acknowledged_is_lost_when_etcd_is_killed(etcd: Etcd, store: EtcdStore) -> None:
    start = await store.current_revision()
    acknowledged: dict[str, int] = {}
    seen: dict[str, int] = {}
    enough = asyncio.Event()
    written = asyncio.Semaphore(0)

    async def write() -> None:
        for number in range(5000):
            if enough.is_set():
                return
            key = f"/registry/pods/a/{number}"
            try:
                acknowledged[key] = await store.create(key, b"%d" % number)
            except StoreUnavailable:
                continue
            written.release()

    async def follow() -> None:
        stream: Any = store.watch("/registry/", after=start)
        async with aclosing(stream):
            async for batch in stream:
                for change in batch.changes:
                    assert change.key not in seen
                    seen[change.key] = change.revision
                if enough.is_set() and acknowledged.keys() <= seen.keys():
                    return

    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        writing = group.create_task(write())
        for _ in range(2):
            for _ in range(50):
                await written.acquire()
            etcd.kill()
            await asyncio.to_thread(etcd.start)
        for _ in range(50):
            await written.acquire()
        enough.set()
        await writing
        await store.create("/registry/pods/b/last", b"wakes the watch")
        await following
    found = {item.key: item.revision for item in (await store.list("/registry/")).items}
    assert acknowledged.items() <= found.items()
    assert acknowledged.items() <= seen.items()


async def test_the_other_endpoint_is_asked(etcd: Etcd) -> None:
    store = EtcdStore([f"http://127.0.0.1:{free_port()}", etcd.endpoint])
    revision = await store.create(KEY, b"1")
    assert await store.current_revision() == revision
    await store.close()


class Lossy:
    """A KV stub between the store and etcd that loses answers: the transaction is applied, its caller is told it failed."""

    def __init__(self, connection: Connection) -> None:
        self.lose: list[
            Callable[[], Awaitable[object]] | None
        ] = []  # what happens behind the caller's back, a lost answer each
        self._kv = connection.member.kv
        connection.member.kv = self
        self.Range = self._kv.Range
        self.apply = True

    async def Txn(self, request: Any, timeout: float) -> Any:
        if not self.lose:
            return await self._kv.Txn(request, timeout=timeout)
        meanwhile = self.lose.pop(0)
        if self.apply:
            await self._kv.Txn(request, timeout=timeout)
        if meanwhile is not None:
            await meanwhile()
        raise aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(), details="Socket closed")


@pytest.fixture
def lossy(store: EtcdStore) -> Lossy:
    return Lossy(store._connection)


async def test_a_lost_create_is_found_to_be_ours(store: EtcdStore, lossy: Lossy) -> None:
    lossy.lose = [None]
    revision = await store.create(KEY, b"mine")
    found = await store.get(KEY)
    assert found is not None and (found.value, found.revision) == (b"mine", revision)


async def test_a_lost_create_is_ours_though_changed_since(store: EtcdStore, lossy: Lossy) -> None:
    async def change() -> None:
        found = await store.get(KEY)
        assert found is not None
        await store.update(KEY, b"theirs", revision=found.revision)

    lossy.lose = [change]
    revision = await store.create(KEY, b"mine")
    found = await store.get(KEY)
    assert found is not None and found.created == revision


async def test_a_lost_create_of_anothers_key(store: EtcdStore, lossy: Lossy) -> None:
    await store.create(KEY, b"theirs")
    lossy.lose = [None]
    with pytest.raises(KeyExists):
        await store.create(KEY, b"mine")


async def test_a_lost_create_that_left_no_trace_is_not_repeated(store: EtcdStore, lossy: Lossy) -> None:
    lossy.lose, lossy.apply = [None], False
    with pytest.raises(StoreUnavailable):
        await store.create(KEY, b"mine")
    assert await store.get(KEY) is None


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_update_is_applied_once(store: EtcdStore, lossy: Lossy, applied: bool) -> None:
    created = await store.create(KEY, b"1")
    lossy.lose, lossy.apply = [None], applied
    revision = await store.update(KEY, b"2", revision=created)
    assert [change.value for change in await _changes(store, after=created)] == [b"2"]
    assert revision == created + 1


async def test_a_lost_update_is_ours_though_changed_since(store: EtcdStore, lossy: Lossy) -> None:
    created = await store.create(KEY, b"1")

    async def change() -> None:
        theirs = await store.update(KEY, b"3", revision=created + 1)
        await store.update(KEY, b"4", revision=theirs)

    lossy.lose = [change]
    assert await store.update(KEY, b"2", revision=created) == created + 1


async def test_a_lost_update_that_another_overtook(store: EtcdStore, lossy: Lossy) -> None:
    created = await store.create(KEY, b"1")

    async def overtake() -> None:
        await store.update(KEY, b"theirs", revision=created)

    lossy.lose, lossy.apply = [overtake], False
    with pytest.raises(RevisionMismatch):
        await store.update(KEY, b"mine", revision=created)


async def test_a_lost_delete(store: EtcdStore, lossy: Lossy) -> None:
    created = await store.create(KEY, b"1")
    lossy.lose = [None]
    assert await store.delete(KEY, revision=created) >= created + 1
    assert await store.get(KEY) is None


async def _changes(store: EtcdStore, *, after: int) -> list[Change]:
    stream: Any = store.watch("/registry/", after=after)
    async with asyncio.timeout(10), aclosing(stream):
        async for batch in stream:
            return list(batch.changes)
    return []


async def test_of_two_servers_one_compacts_in_a_period(store: EtcdStore) -> None:
    servers = [Compactor(store._connection), Compactor(store._connection)]
    for number in range(3):
        await store.create(f"/registry/pods/a/{number}", b"1")
        compacted = [await server.turn() for server in servers]
        assert sum(map(bool, compacted)) <= 1
    assert any(compacted)


async def test_many_keys_share_a_lease(store: EtcdStore) -> None:
    await asyncio.gather(*(store.create(f"/registry/events/a/{n}", b"1", ttl_seconds=100) for n in range(100)))
    assert len({await store._leases.lease(100), await store._leases.lease(100)}) == 1


async def test_revision_requests_are_shared_by_those_who_asked_before_they_started() -> None:
    started = 0
    go = asyncio.Event()

    async def fetch() -> int:
        nonlocal started
        started += 1
        number = started
        await go.wait()
        return number

    revisions = Revisions(fetch)
    first = asyncio.create_task(revisions.current())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert started == 1
    rest = [asyncio.create_task(revisions.current()) for _ in range(20)]
    await asyncio.sleep(0)
    go.set()
    assert await first == 1
    assert await asyncio.gather(*rest) == [2] * 20
