"""The etcd store through what a process cannot see in itself: killed servers, lost answers, other API servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from apiserver.storage.cache import WatchCache
from apiserver.storage.etcd import EtcdStore, Tls
from apiserver.storage.etcd.compaction import Compactor
from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.messages import TXN
from apiserver.storage.etcd.revisions import Revisions
from apiserver.storage.interface import Change, KeyExists, RevisionMismatch, StoreUnavailable
from pocketkube.base.grpc.calls import UNAVAILABLE, Failure, Method
from pocketkube.base.tasks import cancel
from tests.apiserver.storage.conftest import pod_bytes
from tests.certificates import Pki
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
                if writing.done() and acknowledged.keys() <= seen.keys():
                    return

    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        following = group.create_task(follow())
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


async def test_over_tls_with_a_client_certificate(pki: Pki, tmp_path: Path) -> None:
    flags = [
        f"--cert-file={pki.server}",
        f"--key-file={pki.server_key}",
        f"--trusted-ca-file={pki.ca}",
        "--client-cert-auth",
    ]
    etcd = Etcd(tmp_path / "etcd", scheme="https", flags=flags)
    etcd.start()
    try:
        store = EtcdStore([etcd.endpoint], tls=Tls(str(pki.ca), str(pki.client), str(pki.client_key)))
        await store.wait_ready(10)
        assert await store.create(KEY, b"1") > 0
        await store.close()
    finally:
        etcd.stop()


async def test_any_member_can_be_lost(etcd_members: list[Etcd]) -> None:
    """Each member in turn: acknowledged writes stay, the watch brings each once and in order."""
    store = EtcdStore([member.endpoint for member in etcd_members])
    written: dict[str, int] = {}
    seen: list[tuple[str, int]] = []
    count = 0

    async def write(number: int) -> None:
        nonlocal count
        key = f"/registry/pods/a/{number}"
        revision = 0
        for _ in range(number):
            try:
                revision = await (
                    store.update(key, b"%d" % count, revision=revision) if revision else store.create(key, b"0")
                )
            except StoreUnavailable:
                found = await store.get(key)
                revision = found.revision if found else 0
            count += 1
            written[key] = revision

    async def follow() -> None:
        stream: Any = store.watch("/registry/", after=1)
        async with aclosing(stream):
            async for batch in stream:
                seen.extend((change.key, change.revision) for change in batch.changes)
                if seen[-1][0] == "/registry/last":
                    return

    async with asyncio.timeout(50):
        following = asyncio.create_task(follow())
        for member in etcd_members:
            writers = [asyncio.create_task(write(number)) for number in (60, 61, 62)]
            await asyncio.sleep(0.05)
            member.kill()
            await asyncio.gather(*writers)
            await asyncio.to_thread(member.start)
            for key in list(written):
                await store.delete(key, revision=written.pop(key))
            await asyncio.gather(*(write(number) for number in (3, 4)))
        await store.create("/registry/last", b"")
        await following
    found = {item.key: item.revision for item in (await store.list("/registry/pods/")).items}
    assert found == written
    revisions = [revision for _, revision in seen]
    assert revisions == sorted(set(revisions))
    await store.close()


@pytest.mark.parametrize("way", ["kill", "hang"])
async def test_nothing_waits_much_longer_than_for_the_next_leader(etcd_members: list[Etcd], way: str) -> None:
    """Whichever member is lost, killed or hanging: every write is answered, and so soon that no client gives up; and the
    watch brings it."""
    store = EtcdStore([member.endpoint for member in etcd_members])
    cache = WatchCache(store)
    cache.register("/registry/pods/", api_version="v1", kind="Pod", namespaced=True)
    running = asyncio.create_task(cache.run())
    slowest = 0.0

    async def write(member: int, number: int) -> None:
        nonlocal slowest
        for i in range(12):
            began = asyncio.get_running_loop().time()
            await store.create(f"/registry/pods/default/{member}-{number}-{i}", pod_bytes("web"))
            await cache.wait_fresh(timeout=20)
            slowest = max(slowest, asyncio.get_running_loop().time() - began)

    async with asyncio.timeout(60):
        await cache.wait_ready()
        for index, member in enumerate(etcd_members):
            writers = [asyncio.create_task(write(index, number)) for number in range(20)]
            await asyncio.sleep(0.03)
            member.kill() if way == "kill" else member.hang()
            await asyncio.gather(*writers)
            await asyncio.to_thread(member.start if way == "kill" else member.resume)
        assert len((await store.list("/registry/pods/")).items) == 3 * 20 * 12
    print(f"slowest: {slowest:.2f}s")
    assert slowest < 8  # an election is half a second, a second try another; the rest is for a busy machine
    await cancel(running)
    await store.close()


async def test_watchers_go_on_when_etcd_is_killed(etcd: Etcd, store: EtcdStore) -> None:
    cache = WatchCache(store)
    pods = cache.register("/registry/pods/", api_version="v1", kind="Pod", namespaced=True)
    running = asyncio.create_task(cache.run())
    async with asyncio.timeout(20):
        await cache.wait_ready()
        watcher = pods.watch()
        etcd.kill()
        await asyncio.to_thread(etcd.start)
        revision = await store.create(KEY, pod_bytes("web"))
        assert await cache.wait_fresh(timeout=10) >= revision
        assert b'"name":"web"' in (await watcher.next())[0]
    await cancel(running)


class Lossy:
    """Stands before a member and loses answers: the transaction is applied, its caller is told it failed."""

    def __init__(self, connection: Connection) -> None:
        self.lose: list[
            Callable[[], Awaitable[object]] | None
        ] = []  # what happens behind the caller's back, a lost answer each
        self.apply = True
        self.lost: list[bytes] = []  # the requests
        self._ask = connection.member.ask
        connection.member.ask = self.ask  # type: ignore[method-assign]

    async def ask(self, method: Method, message: bytes, *, seconds: float) -> bytes:
        if method is not TXN or not self.lose:
            return await self._ask(method, message, seconds=seconds)
        meanwhile = self.lose.pop(0)
        self.lost.append(message)
        if self.apply:
            await self._ask(method, message, seconds=seconds)
        if meanwhile is not None:
            await meanwhile()
        raise Failure(UNAVAILABLE, "Socket closed")

    async def arrive(self) -> bool:
        """The first lost request comes to etcd after all. Whether it was applied."""
        answer = TXN.response.FromString(await self._ask(TXN, self.lost.pop(0), seconds=5))
        return bool(answer.succeeded)


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


async def test_a_lost_create_that_was_not_applied_is_repeated_and_cannot_arrive_late(
    store: EtcdStore, lossy: Lossy
) -> None:
    lossy.lose, lossy.apply = [None], False
    revision = await store.create(KEY, b"mine")
    await store.delete(KEY, revision=revision)
    assert not await lossy.arrive()
    assert await store.get(KEY) is None
    changes = await _changes(store, after=revision - 1)
    assert [change.value for change in changes] == [b"mine", b""]


async def test_a_lost_create_that_was_deleted_since_is_not_repeated(store: EtcdStore, lossy: Lossy) -> None:
    async def delete() -> None:
        found = await store.get(KEY)
        assert found is not None
        await store.delete(KEY, revision=found.revision)

    before = await store.create(KEY + "-before", b"1")
    lossy.lose = [delete]
    assert await store.create(KEY, b"mine") == before + 1
    assert await store.get(KEY) is None


async def test_creates_of_others_are_repeated_when_one_was_lost(etcd: Etcd, store: EtcdStore, lossy: Lossy) -> None:
    other = EtcdStore([etcd.endpoint])
    await other.create(KEY + "-before", b"theirs")
    lossy.lose, lossy.apply = [None] * 3, False
    names = [f"{KEY}-{n}" for n in range(40)]
    await asyncio.gather(*((store if n % 2 else other).create(name, b"1") for n, name in enumerate(names)))
    assert [item.key for item in (await store.list(KEY + "-")).items] == sorted([*names, KEY + "-before"])
    with pytest.raises(KeyExists):
        await other.create(names[0], b"2")
    await other.close()


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
    first = asyncio.ensure_future(revisions.current())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert started == 1
    rest = [asyncio.ensure_future(revisions.current()) for _ in range(20)]
    await asyncio.sleep(0)
    go.set()
    assert await first == 1
    assert await asyncio.gather(*rest) == [2] * 20
