"""The queue: order, backing off, and that what may help a pod is never missed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketkube.base.clock import FakeClock
from scheduler.framework import NODE_ADDED, POD_DELETED, Event
from scheduler.pod_info import PodInfo
from scheduler.scheduling_queue import LEFTOVER_SECONDS, SchedulingQueue
from tests.scheduler.objects import make_pod

Obj = dict[str, Any]

WAKES = {"Fit": {NODE_ADDED, POD_DELETED}, "Affinity": {NODE_ADDED}}


class Harness:
    """A queue whose plugins are WAKES, and whose pods with a `gated` label are gated."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue = SchedulingQueue(
            self.clock,
            sort_key=lambda pod, at: (-pod.priority, at),
            gate=lambda pod: "gated" if "gated" in pod.labels else None,
            may_help=self._may_help,
        )

    @staticmethod
    def _may_help(pod: PodInfo, refused_by: Iterable[str], event: Event) -> bool:
        return any(event.kind in WAKES.get(name, ()) for name in refused_by)

    def add(self, name: str, **kw: Any) -> PodInfo:
        info = PodInfo(make_pod(name, **kw))
        self.queue.add(info)
        return info

    def pop(self) -> str:
        waiting = self.queue.pop()
        return waiting.pod.name if waiting else ""

    def fail(self, name: str, *plugins: str) -> None:
        waiting = self.queue.pop()
        assert waiting is not None and waiting.pod.name == name
        self.queue.failed(waiting, plugins)


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def test_priority_then_age(harness: Harness) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 9)):
        harness.add(name, priority=priority)
        harness.clock.advance(1)
    assert [harness.pop() for _ in range(5)] == ["d", "b", "a", "c", ""]


async def test_only_what_may_help_wakes(harness: Harness) -> None:
    harness.add("a")
    harness.fail("a", "Affinity")
    harness.queue.happened(Event(POD_DELETED))
    assert harness.queue.counts()["unschedulable"] == 1
    harness.queue.happened(Event(NODE_ADDED))
    assert harness.queue.counts()["backoff"] == 1


async def test_backing_off_ends_early_when_idle_but_not_before_others(harness: Harness) -> None:
    harness.add("a")
    harness.fail("a", "Fit")
    harness.queue.happened(Event(NODE_ADDED))
    harness.add("b")
    assert [harness.pop(), harness.pop(), harness.pop()] == ["b", "a", ""]


async def test_errors_back_off_for_real_and_longer_each_time(harness: Harness) -> None:
    harness.add("a")
    for seconds in (1, 2, 4, 8, 10, 10):
        waiting = harness.queue.pop()
        assert waiting is not None
        harness.queue.failed_by_error(waiting)
        harness.clock.advance(seconds - 0.01)
        assert harness.pop() == ""
        harness.clock.advance(0.02)


async def test_what_happens_during_a_try_counts(harness: Harness) -> None:
    harness.add("a")
    waiting = harness.queue.pop()
    assert waiting is not None
    harness.queue.happened(Event(POD_DELETED))
    harness.queue.failed(waiting, ["Fit"])
    assert harness.pop() == "a"


async def test_gated_until_changed(harness: Harness) -> None:
    info = harness.add("a", labels={"gated": ""})
    assert harness.pop() == ""
    assert harness.queue.counts()["gated"] == 1
    harness.queue.update(PodInfo({**info.pod, "metadata": {**info.pod["metadata"], "labels": {}}}))
    assert harness.pop() == "a"


async def test_leftovers_are_tried_after_a_while(harness: Harness) -> None:
    harness.add("a")
    harness.fail("a", "Nobody")
    harness.clock.advance(LEFTOVER_SECONDS - 1)
    assert harness.pop() == ""
    harness.clock.advance(2)
    assert harness.pop() == "a"


async def test_removed_pods_do_not_come_back(harness: Harness) -> None:
    one, two = harness.add("a"), harness.add("b")
    harness.queue.remove(one.uid)
    waiting = harness.queue.pop()
    assert waiting is not None and waiting.pod is two
    harness.queue.remove(two.uid)
    harness.queue.failed(waiting, ["Fit"])
    harness.queue.happened(Event(NODE_ADDED))
    assert harness.pop() == ""
    assert len(harness.queue) == 0


@pytest.mark.parametrize("early", [True, False], ids=["arrives-first", "waits-first"])
async def test_wait_returns_when_there_is_work(harness: Harness, early: bool) -> None:
    assert harness.pop() == ""
    if early:
        harness.add("a")
    waiter = asyncio.create_task(harness.queue.wait())
    await asyncio.sleep(0)
    if not early:
        harness.add("a")
    await asyncio.wait_for(waiter, 5)
    assert harness.pop() == "a"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 4)),
        st.tuples(st.just("remove"), st.integers(0, 4)),
        st.tuples(st.just("try"), st.sampled_from(["place", "fail", "error"])),
        st.tuples(st.just("event"), st.sampled_from([NODE_ADDED, POD_DELETED])),
        st.tuples(st.just("time"), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
async def test_no_pod_is_lost_or_twice(steps: list[tuple[str, Any]]) -> None:
    """Whatever happened: in the end every pod that was neither placed nor removed is handed out, once."""
    harness = Harness()
    known: dict[int, PodInfo] = {}
    for step, arg in steps:
        if step == "add" and arg not in known:
            known[arg] = harness.add(f"p{arg}", priority=arg)
        elif step == "remove" and arg in known:
            harness.queue.remove(known.pop(arg).uid)
        elif step == "try" and (waiting := harness.queue.pop()) is not None:
            if arg == "place":
                harness.queue.decided(waiting)
                harness.queue.scheduled(waiting.pod.uid)
                known = {i: p for i, p in known.items() if p is not waiting.pod}
            elif arg == "fail":
                harness.queue.failed(waiting, ["Fit"])
            else:
                harness.queue.failed_by_error(waiting)
        elif step == "event":
            harness.queue.happened(Event(arg))
        elif step == "time":
            harness.clock.advance(arg)
    harness.queue.happened(Event(NODE_ADDED))
    harness.clock.advance(20)
    names = []
    while name := harness.pop():
        names.append(name)
    assert sorted(names) == sorted(p.name for p in known.values())
