from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubelet.config import KubeletConfig
from kubelet.node.eviction import EvictionManager, Signal, crossed, ranked
from kubelet.node.garbage import to_remove
from kubelet.runtime.interface import ImageRecord
from tests.kubelet.world import World, container, pod

MI = 1 << 20


@pytest.mark.parametrize(
    ("available", "limit", "short"),
    [(50, "100Mi", True), (150, "100Mi", False), (80, "10%", True), (120, "10%", False)],
)
def test_crossed(available: int, limit: str, short: bool) -> None:
    signals = {"memory.available": Signal(available * MI, 1000 * MI)}
    assert bool(crossed(signals, [("memory.available", limit)], hard=True)) is short


def asking(name: str, memory: str = "", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"memory": memory}} if memory else {}
    return pod(name, container("c", resources=resources), **spec)


async def test_who_goes_first(world: World) -> None:
    """Whoever uses more than it asked for, the least important, the most over."""
    obj = [
        asking("modest", "100Mi"), asking("greedy"), asking("greedier"), asking("important", priority=1000),
        asking("critical", priority=2_000_000_000),
    ]  # fmt: skip
    uids = {o["metadata"]["name"]: world.add(o) for o in obj}
    for uid in uids.values():
        await world.until(lambda uid=uid: world.ready(uid))  # type: ignore[misc]
    usage = {
        uids[n]: m * MI
        for n, m in (("modest", 50), ("greedy", 60), ("greedier", 70), ("important", 500), ("critical", 900))
    }
    order = [w.pod["metadata"]["name"] for w in ranked(list(world.manager.workers.values()), usage, "memory")]
    assert order == ["greedier", "greedy", "important", "modest"]


async def test_one_pod_is_evicted_and_pressure_lasts(world: World, tmp_path: Path) -> None:
    uid = world.add(asking("greedy"))
    await world.until(lambda: world.ready(uid))
    free = [50 * MI]

    async def usage(resource: str) -> Mapping[str, int]:
        return {uid: 900 * MI}

    async def reclaim() -> None:
        return

    changes: list[bool] = []
    manager = EvictionManager(
        KubeletConfig(node_name="n", root_dir=tmp_path),
        world.clock,
        measure=lambda: {"memory.available": Signal(free[0], 1000 * MI)},
        usage=usage,
        reclaim=reclaim,
        workers=lambda: list(world.manager.workers.values()),
        changed=lambda: changes.append(True),
    )
    await manager.look()
    assert manager.pressure() == {"Memory"} and changes
    await world.until(lambda: world.status(uid)["phase"] == "Failed")
    assert world.status(uid)["reason"] == "Evicted"
    assert world.status(uid)["message"].startswith("The node was low on resource: memory. Threshold quantity: 100Mi")
    free[0] = 500 * MI
    await manager.look()
    assert manager.pressure() == {"Memory"}
    world.clock.advance(301)
    assert manager.pressure() == frozenset()


def test_only_images_that_pods_have_used_are_removed() -> None:
    images = [ImageRecord(id=i, size=10) for i in ("old", "older", "fresh", "busy", "strangers")]
    used = {"old": 100.0, "older": 50.0, "fresh": 990.0, "busy": 10.0}

    def chosen(free: int) -> list[str]:
        found = to_remove(images, used, {"busy"}, free=free, now=1000.0, minimum_age=120.0)
        return [i.id for i in found]

    assert chosen(5) == ["older"]
    assert chosen(15) == ["older", "old"]
    assert chosen(1000) == ["older", "old"]
    assert chosen(0) == []
