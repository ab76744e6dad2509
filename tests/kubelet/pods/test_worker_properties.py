"""Something bad never happens: whatever crashes, vanishes or is killed, no container runs twice and no restart is forgotten."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kubelet.world import World, container, pod

STEPS = st.one_of(
    st.tuples(st.just("exit"), st.sampled_from(["a", "b", "side"]), st.sampled_from([0, 1, 137])),
    st.tuples(st.just("advance"), st.sampled_from([0.5, 5.0, 11.0, 45.0]), st.none()),
    st.tuples(st.just("kill kubelet"), st.integers(0, 12), st.none()),
    st.tuples(st.just("lose"), st.sampled_from(["a", "b"]), st.none()),
    st.tuples(st.just("reboot"), st.none(), st.none()),
    st.tuples(st.just("engine down"), st.sampled_from([1.0, 7.0]), st.none()),
)


async def do(world: World, uid: str, step: tuple[str, Any, Any]) -> None:
    kind, what, more = step
    records = world.runtime.records.get(uid)
    if kind == "exit" and records and (record := records.latest(what)):
        world.runtime.exit(record, more)
    elif kind == "advance":
        world.clock.advance(what)
    elif kind == "kill kubelet":
        for _ in range(what):  # somewhere in the middle of what it is doing
            await asyncio.sleep(0)
        await world.restart_kubelet()
    elif kind == "lose" and records and (record := records.latest(what)):
        world.runtime.exit(record, 137)
        world.runtime.lose(record)
    elif kind == "reboot" and records:
        world.runtime.stop_sandbox(uid)
    elif kind == "engine down":
        world.runtime.down = "gone"
        await world.advance(what)
        world.runtime.down = ""


def counts(world: World, uid: str) -> dict[str, int]:
    parts = ("initContainerStatuses", "containerStatuses")
    return {s["name"]: s["restartCount"] for part in parts for s in world.status(uid).get(part) or ()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=12))
def test_never_twice_and_never_forgotten(steps: list[tuple[str, Any, Any]]) -> None:
    async def scenario(folder: str) -> None:
        world = World(Path(folder))
        sidecar = container("side", restartPolicy="Always")
        uid = world.add(pod("web", container("a"), container("b"), initContainers=[sidecar]))
        await world.until(lambda: world.ready(uid))
        before = counts(world, uid)
        for step in steps:
            await do(world, uid, step)
            if step[0] != "kill kubelet":
                await world.settle()
            now = counts(world, uid)
            assert all(now[name] >= before[name] for name in before), (before, now)
            before = now
        for _ in range(12):  # longer than any back-off
            await world.advance(60)
        await world.until(lambda: world.ready(uid))
        for name in ("a", "b", "side"):
            assert world.most_at_once(uid, name) == 1
            # every start but the first was a restart that is counted
            assert world.runtime.starts[uid, name] <= counts(world, uid)[name] + 1
        await world.manager.stop()
        await world.runtime.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(folder))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=6), grace=st.sampled_from([0, 1, 30]))
def test_a_deleted_pod_always_goes(steps: list[tuple[str, Any, Any]], grace: int) -> None:
    async def scenario(folder: str) -> None:
        world = World(Path(folder))
        uid = world.add(pod("web", container("a"), container("b")))
        await asyncio.sleep(0)
        world.delete(uid, grace)
        for step in steps:
            await do(world, uid, step)
        for _ in range(8):
            await world.advance(10)
        await world.until(lambda: uid in world.statuses.deleted and uid not in world.runtime.records)
        await world.manager.stop()
        await world.runtime.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(folder))
