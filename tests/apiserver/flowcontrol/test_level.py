"""Seats, queues and lending: nobody starves, and no seat is lost or made."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.flowcontrol.dealing import deal
from apiserver.flowcontrol.level import Level, Limits, Rejected


def made(rack: list[Level], name: str, limits: Limits) -> Level:
    level = Level(name, rack)
    rack.append(level)
    level.configure(limits)
    return level


QUEUED = Limits(2, queues=8, hand=2, queue_length=3)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_seat_is_taken_at_once_and_others_wait() -> None:
    level = made([], "a", QUEUED)
    assert level.take(1)
    assert level.take(1)
    assert not level.take(1)
    waiting = asyncio.create_task(level.wait((0, 1), 1, 60))
    await settle()
    assert level.waiting == 1
    assert not level.take(1), "whoever waits comes first"
    level.release(1)
    await waiting
    assert (level.used, level.waiting) == (2, 0)


@pytest.mark.parametrize(
    ("limits", "before", "reason"),
    [
        pytest.param(Limits(1), 0, "concurrency-limit", id="a level that rejects"),
        pytest.param(Limits(1, queues=1, hand=1, queue_length=2), 2, "queue-full", id="a full queue"),
        pytest.param(Limits(1, queues=1, hand=1, queue_length=2), 0, "time-out", id="the time is over"),
    ],
)
async def test_rejections(limits: Limits, before: int, reason: str) -> None:
    level = made([], "a", limits)
    assert level.take(1)
    others = [asyncio.create_task(level.wait((0,), 1, 60)) for _ in range(before)]
    await settle()
    with pytest.raises(Rejected) as rejected:
        await level.wait((0,), 1, 0.001)
    assert rejected.value.reason == reason
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    assert (level.used, level.waiting) == (1, 0)


async def test_a_flood_of_one_flow_does_not_keep_another_waiting() -> None:
    level = made([], "a", Limits(1, queues=64, hand=2, queue_length=100))
    assert level.take(1)
    order: list[str] = []

    async def one(name: str, hand: tuple[int, ...]) -> None:
        await level.wait(hand, 1, 60)
        order.append(name)

    flood = [asyncio.create_task(one("flood", (0, 1))) for _ in range(100)]
    await settle()
    quiet = asyncio.create_task(one("quiet", (1, 2)))
    await settle()
    for _ in range(101):
        level.release(1)
        await settle()
    await asyncio.gather(*flood, quiet)
    assert order.index("quiet") <= 2


async def test_seats_are_borrowed_and_given_back() -> None:
    rack: list[Level] = []
    busy = made(rack, "busy", Limits(1, queues=1, hand=1, queue_length=10))
    idle = made(rack, "idle", Limits(4, lendable=2, queues=1, hand=1, queue_length=10))
    assert [busy.take(1) for _ in range(4)] == [True, True, True, False]
    assert (busy.limit, idle.limit, idle.lent) == (3, 2, 2)
    assert [idle.take(1) for _ in range(3)] == [True, True, False], "what is not lendable stays"
    waiting = asyncio.create_task(idle.wait((0,), 1, 60))
    await settle()
    busy.release(1)
    await waiting
    assert (busy.limit, idle.limit) == (2, 3)
    for _ in range(2):
        busy.release(1)
    for _ in range(3):
        idle.release(1)
    assert (busy.limit, idle.limit, busy.used, idle.used, idle.lent) == (1, 4, 0, 0, 0)


async def test_a_wide_request_runs_on_an_idle_level() -> None:
    level = made([], "a", Limits(3))
    assert level.take(10)
    assert not level.take(1)
    level.release(10)
    assert level.take(1)


async def test_a_cancelled_request_leaves_its_queue() -> None:
    level = made([], "a", QUEUED)
    level.take(2)
    waiting = asyncio.create_task(level.wait((0, 1), 1, 60))
    await settle()
    level.release(2)  # seated, and cancelled before it runs
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (level.used, level.waiting, level.executing) == (0, 0, 0)


async def test_fewer_queues_while_requests_wait() -> None:
    level = made([], "a", QUEUED)
    level.take(2)
    tasks = [asyncio.create_task(level.wait((n, n + 1), 1, 60)) for n in range(6)]
    await settle()
    level.configure(Limits(8, queues=2, hand=1, queue_length=3))
    await asyncio.gather(*tasks)
    assert (level.used, level.waiting) == (8, 0)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_no_seat_is_lost_or_made(seed: int) -> None:
    asyncio.run(_random_traffic(random.Random(seed)))


async def _random_traffic(chance: random.Random) -> None:
    rack: list[Level] = []
    levels = [made(rack, str(n), Limits(3 + n, lendable=n, queues=4, hand=2, queue_length=50)) for n in range(3)]
    total = sum(level.limit for level in levels)
    held: list[tuple[Level, int]] = []

    async def one(level: Level, width: int) -> None:
        if not level.take(width):
            await level.wait((chance.randrange(4), chance.randrange(4)), width, 60)
        held.append((level, width))

    tasks = []
    for _ in range(60):
        if held and chance.random() < 0.45:
            level, width = held.pop(chance.randrange(len(held)))
            level.release(width)
        else:
            tasks.append(asyncio.create_task(one(chance.choice(levels), chance.choice((1, 1, 2)))))
        await asyncio.sleep(0)
        assert sum(level.limit for level in levels) == total
    for _ in range(500):
        await asyncio.sleep(0)
        while held:
            level, width = held.pop()
            level.release(width)
        if all(task.done() for task in tasks):
            break
    await asyncio.gather(*tasks)
    while held:
        level, width = held.pop()
        level.release(width)
    assert [(level.used, level.waiting, level.limit) for level in levels] == [
        (0, 0, level.limits.nominal) for level in levels
    ]


@given(flow=st.text(max_size=20), queues=st.integers(1, 200), data=st.data())
@settings(max_examples=100)
def test_a_hand_has_no_queue_twice(flow: str, queues: int, data: st.DataObject) -> None:
    hand = data.draw(st.integers(1, min(queues, 10)))
    dealt = deal("schema", flow, queues=queues, hand=hand)
    assert len(set(dealt)) == hand
    assert all(0 <= at < queues for at in dealt)
    assert dealt == deal("schema", flow, queues=queues, hand=hand)
