"""The watch cache against the store that it follows: what it reads, what its watchers are told, what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from apiserver.storage.cache import EVERYTHING, Entry, Query, ResourceCache, WatchCache, Watcher
from apiserver.storage.interface import Batch, Change, Compacted, FutureRevision, Store, StoreUnavailable
from apiserver.storage.memory import MemoryStore
from apiserver.storage.watcher import QUEUE_LIMIT
from pocketkube.base.clock import FakeClock
from pocketkube.base.tasks import cancel
from tests.apiserver.storage.conftest import pod_bytes

PODS = "/registry/pods/"
Seen = tuple[str, str, int]  # type, name, resourceVersion


def register(cache: WatchCache, prefix: str = PODS, kind: str = "Pod") -> ResourceCache:
    fields = {"spec.nodeName": lambda obj: str(obj["spec"].get("nodeName", ""))}
    return cache.register(prefix, api_version="v1", kind=kind, namespaced=True, fields=fields)


@asynccontextmanager
async def running(cache: WatchCache) -> AsyncIterator[None]:
    task = asyncio.create_task(cache.run())
    try:
        async with asyncio.timeout(30):
            await cache.wait_ready()
            yield
    finally:
        await cancel(task)


def seen(frames: list[bytes]) -> list[Seen]:
    events = [orjson.loads(frame) for frame in frames]
    return [
        (
            event["type"],
            event["object"]["metadata"].get("name", ""),
            int(event["object"]["metadata"]["resourceVersion"]),
        )
        for event in events
    ]


async def read(watcher: Watcher, count: int) -> list[Seen]:
    frames: list[bytes] = []
    async with asyncio.timeout(10):
        while len(frames) < count:
            got = await watcher.next()
            assert got, "the watch ended"
            frames += got
    return seen(frames)


def names(entries: list[Entry]) -> list[str]:
    return [entry.key for entry in entries]


async def test_loads_what_is_there_and_follows(store: Store) -> None:
    first = await store.create(PODS + "default/a", pod_bytes("a"))
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        assert names(pods.entries()) == ["default/a"]
        assert await cache.wait_fresh() == first
        second = await store.create(PODS + "default/b", pod_bytes("b"))
        assert await cache.wait_fresh() >= second
        assert names(pods.entries()) == ["default/a", "default/b"]
        entry = pods.get("default", "b")
        assert entry is not None
        assert entry.obj["metadata"]["resourceVersion"] == str(second) == str(entry.revision)
        assert (entry.namespace, entry.name, pods.revision, pods.current) == ("default", "b", second, second)
        await store.delete(PODS + "default/a", revision=first)
        await cache.wait_fresh()
        assert pods.get("default", "a") is None


async def test_fresh_after_a_change_elsewhere(store: Store) -> None:
    cache = WatchCache(store)
    register(cache)
    async with running(cache):
        elsewhere = await store.create("/compact", b"1")
        assert await cache.wait_fresh() >= elsewhere


async def test_the_future_does_not_come() -> None:
    cache = WatchCache(MemoryStore())
    pods = register(cache)
    async with running(cache):
        with pytest.raises(FutureRevision):
            await cache.wait_fresh(1000, timeout=0.01)
        with pytest.raises(FutureRevision):
            pods.watch(after=1000)


QUERIES = [
    pytest.param(EVERYTHING, ["a/x", "a/y", "b/x", "b/z"], id="everything"),
    pytest.param(Query(namespace="a"), ["a/x", "a/y"], id="namespace"),
    pytest.param(Query(namespace="c"), [], id="empty namespace"),
    pytest.param(Query(namespace="a", name="x"), ["a/x"], id="one object"),
    pytest.param(Query(namespace="a", name="z"), [], id="no such object"),
    pytest.param(Query(name="x"), ["a/x", "b/x"], id="name in every namespace"),
    pytest.param(Query(labels=(("app", "web"),)), ["a/x", "b/z"], id="label"),
    pytest.param(Query(namespace="b", labels=(("app", "web"),)), ["b/z"], id="label in a namespace"),
    pytest.param(Query(labels=(("app", "web"), ("tier", "1"))), ["b/z"], id="two labels"),
    pytest.param(Query(labels=(("app", "none"),)), [], id="unknown label"),
    pytest.param(Query(fields=(("spec.nodeName", "n1"),)), ["a/x", "b/x"], id="field"),
    pytest.param(Query(fields=(("metadata.name", "x"), ("spec.nodeName", "n1"))), ["a/x", "b/x"], id="name as field"),
    pytest.param(Query(match=lambda e: e.labels.get("app") != "web"), ["a/y", "b/x"], id="predicate"),
    pytest.param(Query(namespace="a", match=lambda e: "app" in e.labels), ["a/x"], id="predicate in a namespace"),
    pytest.param(
        Query(fields=(("spec.nodeName", "n1"),), match=lambda e: e.namespace == "b"), ["b/x"], id="field and predicate"
    ),
]


async def filled(cache: WatchCache, store: Store) -> ResourceCache:
    await store.create(PODS + "b/z", pod_bytes("z", "b", app="web", tier="1"))
    await store.create(PODS + "a/x", pod_bytes("x", "a", node="n1", app="web"))
    await store.create(PODS + "b/x", pod_bytes("x", "b", node="n1"))
    await store.create(PODS + "a/y", pod_bytes("y", "a"))
    return register(cache)


@pytest.mark.parametrize(("query", "expected"), QUERIES)
async def test_queries(query: Query, expected: list[str]) -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = await filled(cache, store)
    async with running(cache):
        assert names(pods.entries(query)) == expected


@pytest.mark.parametrize(("query", "expected"), QUERIES)
async def test_a_watch_is_told_what_a_list_shows(query: Query, expected: list[str]) -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        watcher = pods.watch(query)
        await filled(cache, store)
        await cache.wait_fresh()
        watcher.close()
        frames = await watcher.next()
        told = [orjson.loads(frame)["object"]["metadata"] for frame in frames]
        assert sorted(f"{m['namespace']}/{m['name']}" for m in told) == expected
        assert pods.watchers == 0


async def test_an_object_that_comes_to_match_is_added_and_one_that_ceases_is_deleted() -> None:
    """line 5: with the last matching state, and the change's revision."""
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    key = PODS + "default/a"
    async with running(cache):
        start = cache.revision
        watcher = pods.watch(Query(labels=(("app", "web"),)))
        everything = pods.watch()
        r1 = await store.create(key, pod_bytes("a", app="old"))
        r2 = await store.update(key, pod_bytes("a", app="web"), revision=r1)
        r3 = await store.update(key, pod_bytes("a", app="web", v="2"), revision=r2)
        r4 = await store.update(key, pod_bytes("a", app="new"), revision=r3)
        r5 = await store.delete(key, revision=r4)
        await cache.wait_fresh()
        frames = await watcher.next()
        expected = [("ADDED", "a", r2), ("MODIFIED", "a", r3), ("DELETED", "a", r4)]
        assert seen(frames) == expected
        assert orjson.loads(frames[-1])["object"]["metadata"]["labels"] == {"app": "web", "v": "2"}
        assert await read(everything, 5) == [
            ("ADDED", "a", r1), ("MODIFIED", "a", r2), ("MODIFIED", "a", r3), ("MODIFIED", "a", r4), ("DELETED", "a", r5),
        ]  # fmt: skip
        assert await read(pods.watch(Query(labels=(("app", "web"),)), after=start), 3) == expected
        by_predicate = Query(match=lambda entry: entry.labels.get("app") == "web")
        assert await read(pods.watch(by_predicate, after=start), 3) == expected


async def test_a_pod_that_moves_between_nodes() -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    key = PODS + "default/a"
    async with running(cache):
        one = pods.watch(Query(fields=(("spec.nodeName", "n1"),)))
        two = pods.watch(Query(fields=(("spec.nodeName", "n2"),)))
        other = pods.watch(Query(fields=(("spec.nodeName", "n3"),)))
        r1 = await store.create(key, pod_bytes("a", node="n1"))
        r2 = await store.update(key, pod_bytes("a", node="n2"), revision=r1)
        await cache.wait_fresh()
        assert await read(one, 2) == [("ADDED", "a", r1), ("DELETED", "a", r2)]
        assert await read(two, 1) == [("ADDED", "a", r2)]
        other.close()
        assert await other.next() == []


async def test_initial_events_end_with_their_bookmark() -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = await filled(cache, store)
    async with running(cache):
        watcher = pods.watch(Query(namespace="a"), initial=True, initial_end=True)
        created = await store.create(PODS + "a/w", pod_bytes("w", "a"))
        frames: list[bytes] = []
        while len(frames) < 4:
            frames += await watcher.next()
        kinds = [kind for kind, _, _ in seen(frames)]
        assert kinds == ["ADDED", "ADDED", "BOOKMARK", "ADDED"]
        mark = orjson.loads(frames[2])["object"]
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert (mark["kind"], mark["apiVersion"], mark["metadata"]["resourceVersion"]) == (
            "Pod",
            "v1",
            str(created - 1),
        )


async def test_bookmarks_go_to_those_who_want_them() -> None:
    """line 6: and to nobody else."""
    store, clock = MemoryStore(), FakeClock()
    cache = WatchCache(store, clock=clock)
    pods = register(cache)
    async with running(cache):
        wants, does_not = pods.watch(bookmarks=True), pods.watch()
        elsewhere = await store.create("/registry/nodes/n", b"{}")
        await cache.wait_fresh()
        clock.advance(61)
        assert await read(wants, 1) == [("BOOKMARK", "", elsewhere)]
        mark = wants.bookmark()
        assert mark is not None and seen([mark]) == [("BOOKMARK", "", elsewhere)]
        does_not.close()
        assert await does_not.next() == []


async def test_one_encoding_for_all_watchers_of_a_format() -> None:
    class Upper:
        calls = 0

        def encode(self, entry: Entry) -> bytes:
            self.calls += 1
            return orjson.dumps({"metadata": {"name": entry.name.upper(), "resourceVersion": str(entry.revision)}})

        def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
            return b"{}"

    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        upper = Upper()
        plain = [pods.watch() for _ in range(3)]
        shouting = [pods.watch(format=upper) for _ in range(3)]
        revision = await store.create(PODS + "default/a", pod_bytes("a"))
        await cache.wait_fresh()
        assert len({id(frame) for watcher in plain for frame in await watcher.next()}) == 1
        assert [await read(watcher, 1) for watcher in shouting] == [[("ADDED", "A", revision)]] * 3
        assert upper.calls == 1


async def test_a_slow_watcher_is_closed() -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        slow = pods.watch()
        for number in range(QUEUE_LIMIT + 1):
            await store.create(f"{PODS}default/{number}", pod_bytes(str(number)))
        await cache.wait_fresh()
        assert slow.closed
        assert await slow.next() == []
        assert pods.watchers == 0


async def test_a_local_writer_saves_the_stream_the_parsing() -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        value = pod_bytes("a", app="web")
        obj: dict[str, Any] = orjson.loads(value)
        cache.expect(PODS + "default/a", value, obj)
        revision = await store.create(PODS + "default/a", value)
        await cache.wait_fresh()
        entry = pods.get("default", "a")
        assert entry is not None and entry.obj is obj and entry.labels == {"app": "web"}
        assert orjson.loads(entry.data) == obj
        assert obj["metadata"]["resourceVersion"] == str(revision)


async def test_what_another_wrote_is_not_what_was_expected() -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        ours, lost = orjson.loads(pod_bytes("a")), orjson.loads(pod_bytes("b"))
        cache.expect(PODS + "default/a", pod_bytes("a"), ours)
        await store.create(PODS + "default/a", pod_bytes("a", app="theirs"))
        cache.expect(PODS + "default/b", pod_bytes("b"), lost)
        cache.unexpect(PODS + "default/b", ours)  # somebody else's failure
        cache.unexpect(PODS + "default/b", lost)
        await store.create(PODS + "default/b", pod_bytes("b"))
        await cache.wait_fresh()
        a, b = pods.get("default", "a"), pods.get("default", "b")
        assert a is not None and a.obj is not ours and a.labels == {"app": "theirs"}
        assert b is not None and b.obj is not lost
        assert "resourceVersion" not in ours["metadata"] and "resourceVersion" not in lost["metadata"]


async def test_a_resource_registered_while_running(store: Store) -> None:
    cache = WatchCache(store)
    register(cache)
    await store.create("/registry/example.com/widgets/default/a", pod_bytes("a"))
    async with running(cache):
        widgets = register(cache, "/registry/example.com/widgets/", "Widget")
        await store.create("/registry/example.com/widgets/default/b", pod_bytes("b"))
        await cache.wait_loaded(widgets)
        last = await store.create("/registry/example.com/widgets/default/c", pod_bytes("c"))
        await cache.wait_fresh(last)
        assert names(widgets.entries()) == ["default/a", "default/b", "default/c"]
        watcher = widgets.watch(after=last)
        cache.unregister("/registry/example.com/widgets/")
        assert await watcher.next() == []
        with pytest.raises(StoreUnavailable):
            await cache.wait_loaded(widgets, timeout=0.01)


async def test_a_value_that_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    await store.create(PODS + "default/bad", b"k8s\x00protobuf")
    await store.create(PODS + "default/good", pod_bytes("good"))
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        assert names(pods.entries()) == ["default/good"]
    assert "default/bad" in caplog.text


class Gapped(MemoryStore):
    """A store whose first watch finds that its start was compacted away."""

    gaps = 1

    def watch(self, prefix: str, *, after: int, previous: bool = False) -> Any:
        if self.gaps:
            self.gaps -= 1
            return self._gap()
        return super().watch(prefix, after=after, previous=previous)

    async def _gap(self) -> AsyncIterator[Any]:
        yield Batch((), 1)
        await self.create(PODS + "default/meanwhile", pod_bytes("meanwhile"))
        raise Compacted(5)


async def test_a_gap_in_the_stream_loads_everything_again() -> None:
    store, clock = Gapped(), FakeClock()
    cache = WatchCache(store, clock=clock)
    pods = register(cache)
    async with running(cache):
        watcher = pods.watch(after=cache.revision)
        assert await watcher.next() == []
        clock.advance(1)
        await cache.wait_ready()
        assert names(pods.entries()) == ["default/meanwhile"]
        with pytest.raises(Compacted):
            pods.watch(after=1)


class Silent(MemoryStore):
    """A store whose stream says nothing until `speak`, so that what is known is known from acknowledgements alone."""

    def __init__(self) -> None:
        super().__init__()
        self.speak = asyncio.Event()

    async def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        await self.speak.wait()
        async for batch in super().watch(prefix, after=after, previous=previous):
            yield batch


async def test_own_writes_are_seen_before_the_stream_brings_them() -> None:
    store = Silent()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        watcher = pods.watch()
        first = await store.create(PODS + "default/a", pod_bytes("a"))
        second = await store.update(PODS + "default/a", pod_bytes("a", v="2"), revision=first)
        third = await store.delete(PODS + "default/a", revision=second)
        assert await cache.wait_fresh(third) == third
        expected = [("ADDED", "a", first), ("MODIFIED", "a", second), ("DELETED", "a", third)]
        assert await read(watcher, 3) == expected
        store.speak.set()
        last = await store.create(PODS + "default/b", pod_bytes("b"))
        assert await read(watcher, 1) == [("ADDED", "b", last)]


async def test_own_writes_behind_a_gap_wait_for_the_stream() -> None:
    store = Silent()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        told: list[Change] = []
        tell = store.acknowledged
        watcher = pods.watch()
        store.acknowledged = told.append  # another process writes
        await store.create(PODS + "default/theirs", pod_bytes("theirs"))
        store.acknowledged = tell
        ours = await store.create(PODS + "default/ours", pod_bytes("ours"))
        with pytest.raises(FutureRevision):
            await cache.wait_fresh(ours, timeout=0.01)
        store.speak.set()
        await cache.wait_fresh(ours)
        assert await read(watcher, 2) == [("ADDED", "theirs", ours - 1), ("ADDED", "ours", ours)]


async def test_acknowledgements_out_of_order() -> None:
    store = Silent()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        told: list[Change] = []
        tell = store.acknowledged
        store.acknowledged = told.append
        for name in "abc":
            last = await store.create(f"{PODS}default/{name}", pod_bytes(name))
        for change in (told[2], told[1], told[0]):
            tell(change)
            await asyncio.sleep(0)
        assert await cache.wait_fresh(last, timeout=1) == last
        assert names(pods.entries()) == ["default/a", "default/b", "default/c"]


async def test_a_watcher_that_fails_is_closed_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    cache = WatchCache(store)
    pods = register(cache)
    async with running(cache):
        bad = pods.watch(Query(match=lambda entry: bool(entry.obj["no such member"])))
        good = pods.watch()
        revision = await store.create(PODS + "default/a", pod_bytes("a"))
        assert await read(good, 1) == [("ADDED", "a", revision)]
        assert await bad.next() == []
    assert "no such member" in caplog.text
