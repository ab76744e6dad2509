"""Many entries are worked on in slices: how many turns that takes, whatever the machine's speed."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from apiserver.representation import _joined
from apiserver.storage import cache as caches
from apiserver.storage import slices
from apiserver.storage.cache import EVERYTHING, Entry, Query, WatchCache
from apiserver.storage.interface import Stored
from apiserver.storage.memory import MemoryStore
from tests.apiserver.storage.conftest import pod_bytes
from tests.apiserver.storage.test_cache import register, running

T = TypeVar("T")
MANY = 50_000


def turns(work: Coroutine[Any, Any, T]) -> tuple[T, int]:
    """What it gives, and how often it let others have their turn; it must wait for nothing else."""
    count = 0
    while True:
        try:
            assert work.send(None) is None
        except StopIteration as done:
            return done.value, count + 1
        count += 1


def entries(count: int, size: int = 10) -> list[Entry]:
    data = b"x" * size
    return [Entry(f"a/{n:05}", data, revision=n, labels={"tenth": str(n % 10)}, fields=()) for n in range(count)]


@pytest.mark.parametrize(
    ("limit", "found", "taken"),
    [
        pytest.param(0, MANY // 10, MANY // slices.MOST, id="all"),
        pytest.param(500, 500, 6, id="a page ends where it is full"),
        pytest.param(MANY, MANY // 10, MANY // slices.MOST, id="a page that is never full"),
    ],
)
def test_select(limit: int, found: int, taken: int) -> None:
    (selected, more), count = turns(
        slices.select(entries(MANY), lambda entry: entry.labels["tenth"] == "3", limit=limit)
    )
    assert (len(selected), count) == (found, taken)
    assert more == (limit == 500)


@pytest.mark.parametrize(
    ("count", "size", "parts"),
    [
        pytest.param(0, 1, 0, id="none"),
        pytest.param(slices.MOST, 10, 1, id="one full"),
        pytest.param(slices.MOST + 1, 10, 2, id="one more"),
        pytest.param(12, slices.BYTES // 3 + 1, 4, id="large ones"),
        pytest.param(3, slices.BYTES * 2, 3, id="each too large"),
    ],
)
def test_slices_hold_all_in_order(count: int, size: int, parts: int) -> None:
    whole = entries(count, size)
    found = list(slices.slices(whole))
    assert (len(found), [entry for part in found for entry in part]) == (parts, whole)


def test_batches_are_bounded_in_frames_looks_and_bytes() -> None:
    def frames() -> Iterator[bytes | None]:
        yield from [b"x"] * 10
        yield from [None] * slices.MOST
        yield from [b"x" * slices.BYTES] * 2
        yield b"last"

    found = [[len(frame) for frame in batch] for batch in slices.batches(frames(), most=4)]
    large = slices.BYTES
    assert found == [[1] * 4, [1] * 4, [1, 1], [large], [large], [4]]


async def filled(count: int) -> WatchCache:
    store = MemoryStore()
    for number in range(count):
        value = pod_bytes(f"p{number:05}", tenth=str(number % 10), number=str(number))
        store._put(f"/registry/pods/default/p{number:05}", value, 0)
    return WatchCache(store)


async def test_a_watch_that_selects_few_of_many_looks_at_a_slice_in_a_turn() -> None:
    cache = await filled(5_000)
    pods = register(cache)
    async with running(cache):
        rare = Query(match=lambda entry: entry.labels["number"] == "4999")
        watcher = pods.watch(rare, initial=True)
        frames, count = turns(watcher.next())
        assert (len(frames), count) == (1, 5 + 1)
        watcher.close()
        everything = pods.watch(EVERYTHING, initial=True)
        for _ in range(3):
            frames, count = turns(everything.next())
            assert (len(frames), count) == (128, 1 + 1), "and who sends them lets others go first"
        everything.close()


async def test_values_of_a_label_are_found_by_the_index() -> None:
    cache = await filled(1_000)
    pods = register(cache)
    async with running(cache):
        for query, looked_at, left in (
            (Query(among=(("number", frozenset(("7", "8", "gone"))),)), 2, 2),
            (Query(among=(("tenth", frozenset(("1", "2"))),)), 200, 200),
            (Query(among=(("tenth", frozenset(("1", "2"))),), labels=(("number", "11"),)), 1, 1),
            (Query(among=(("tenth", frozenset(("1", "2"))),), labels=(("number", "15"),)), 1, 0),
            (Query(among=(("tenth", frozenset(("1",))), ("number", frozenset(("1", "2"))))), 2, 1),
            (Query(namespace="other", among=(("tenth", frozenset(("1",))),)), 100, 0),
        ):
            candidates, test = pods._entries.candidates(query)
            assert len(candidates) == looked_at
            assert [entry.key for entry in candidates] == sorted(entry.key for entry in candidates)
            assert len([entry for entry in candidates if test is None or test(entry)]) == left
            assert len(pods.entries(query)) == left


async def test_loading_is_sliced_by_number_and_size() -> None:
    async def taken(items: list[Stored]) -> int:
        async def through() -> int:
            return len([item async for item in caches._by_turns(items)])

        found, count = turns(through())
        assert found == len(items)
        return count

    assert await taken([Stored(str(n), b"x", n) for n in range(1_000)]) == 4 + 1
    assert await taken([Stored(str(n), b"x" * caches.LOAD_BYTES, n) for n in range(5)]) == 5 + 1


class Lists:
    """As much of a resource as joining looks at."""

    converts = False
    item_head = b'{"kind":"A",'

    class kind:
        custom = False


@pytest.mark.parametrize(("count", "taken"), [(1, 1), (slices.MOST, 1), (MANY, MANY // slices.MOST)])
def test_a_list_is_joined_in_slices(count: int, taken: int) -> None:
    made = [Entry(str(n), b'{"kind":"A","n":%d}' % n, revision=n, labels={}, fields=()) for n in range(count)]
    joined, turned = turns(_joined(Lists(), made))  # type: ignore[arg-type]
    assert turned == taken
    assert bytes(joined) == b'"items":[%b]}\n' % b",".join(b'{"n":%d}' % n for n in range(count))
