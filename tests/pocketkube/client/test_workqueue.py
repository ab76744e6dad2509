"""The workqueue's guarantees, by example and by random schedules."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketkube.base.clock import FakeClock
from pocketkube.client.workqueue import ShutDown, WorkQueue


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_fair_and_stingy() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "abac":
        queue.add(key)
    assert [await queue.get() for _ in range(len(queue))] == ["a", "b", "c"]


async def test_a_key_in_work_comes_again_after_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_delays_take_the_earlier_of_two() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    queue.add_after("b", 1)
    await settle()
    for seconds, ready in ((1, 1), (3.9, 1), (0.2, 2), (30, 2)):
        clock.advance(seconds)
        await settle()
        assert len(queue) == ready
    assert [await queue.get(), await queue.get()] == ["b", "a"]
    queue.shut_down()


async def test_rate_limits_double_until_forgotten() -> None:
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock, initial=1, maximum=4)
    waits = []
    for _ in range(4):
        queue.add_rate_limited("a")
        start = clock.monotonic()
        await settle()
        while not len(queue):
            clock.advance(0.5)
            await settle()
        waits.append(clock.monotonic() - start)
        queue.done(await queue.get())
    assert waits == [1, 2, 4, 4]
    assert queue.failures("a") == 4
    queue.forget("a")
    assert queue.failures("a") == 0
    queue.shut_down()


async def test_shut_down_drains_then_refuses() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await settle()
    queue.add("a")
    queue.add("b")
    queue.shut_down()
    assert await waiting == "a"
    assert await queue.get() == "b"
    queue.add("c")
    with pytest.raises(ShutDown):
        await queue.get()


async def test_a_cancelled_taker_passes_its_key_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 5) == "a"


@settings(max_examples=150, deadline=None)
@given(
    adds=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.sampled_from([0, 0, 1, 2]))),
    workers=st.integers(1, 4),
    cancels=st.sets(st.integers(0, 3)),
)
async def test_never_two_workers_on_a_key_and_nothing_lost(
    adds: list[tuple[str, int, int]], workers: int, cancels: set[int]
) -> None:
    """Each add is followed by a start of work on that key, and no two works of a key overlap."""
    clock = FakeClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    pending: set[str] = set()  # keys added since their last work started
    working: Counter[str] = Counter()

    async def work(steps: int) -> None:
        while True:
            try:
                key = await queue.get()
            except ShutDown:
                return
            pending.discard(key)
            working[key] += 1
            assert working[key] == 1
            try:
                for _ in range(steps):
                    await asyncio.sleep(0)
            finally:
                working[key] -= 1
                queue.done(key)

    tasks = [asyncio.create_task(work(i)) for i in range(workers + len(cancels))]
    for step, (key, pauses, delay) in enumerate(adds):
        pending.add(key)
        queue.add_after(key, delay)
        for _ in range(pauses):
            await asyncio.sleep(0)
        if step in cancels and step < len(tasks) - workers:
            tasks[step].cancel()
        clock.advance(0.4)
    for _ in range(4):
        await settle()
        clock.advance(1)
    for _ in range(len(adds) * 8 + 10):
        await asyncio.sleep(0)
    assert not pending
    queue.shut_down()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not [t for t in tasks if not t.cancelled() and t.exception()]
