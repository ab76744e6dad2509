"""Who keeps more on the node's disk than it may, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubelet.node.local_storage import LocalStorage, excess, is_limited
from kubelet.pods.paths import PodPaths
from kubelet.stats.folders import FolderSizes, Size
from kubelet.stats.storage import PodStorage, Storage
from tests.kubelet.world import World, container, pod

Obj = dict[str, Any]

KI = 1024


def limited(name: str, limit: str) -> Obj:
    return container(name, resources={"limits": {"ephemeral-storage": limit}})


def volume(limit: str = "", **fields: str) -> Obj:
    return {"name": "data", "emptyDir": {**({"sizeLimit": limit} if limit else {}), **fields}}


def stored(written: int = 0, log: int = 0, data: int = 0) -> PodStorage:
    return PodStorage(
        {"c": (Size(written, 1), Size(log, 1))}, {"data": (Path("/"), Size(data, 1))}, frozenset({"data"})
    )


@pytest.mark.parametrize(
    ("obj", "found", "message"),
    [
        pytest.param(pod("p"), stored(written=10**9), None, id="no limits"),
        pytest.param(pod("p", volumes=[volume("8Ki")]), stored(data=8 * KI), None, id="volume at its limit"),
        pytest.param(
            pod("p", volumes=[volume("8Ki")]),
            stored(data=9 * KI),
            'Usage of EmptyDir volume "data" exceeds the limit "8Ki". ',
            id="volume over its limit",
        ),
        pytest.param(pod("p", volumes=[volume("0")]), stored(data=9 * KI), None, id="a limit of nothing is none"),
        pytest.param(pod("p", volumes=[volume("8Ki", medium="Memory")]), stored(data=9 * KI), None, id="in memory"),
        pytest.param(
            pod("p", limited("c", "8Ki")),
            stored(written=4 * KI, log=3 * KI, data=4 * KI),
            "Pod ephemeral local storage usage exceeds the total limit of containers 8Ki. ",
            id="the pod, its volume counted",
        ),
        pytest.param(
            pod("p", limited("c", "8Ki"), limited("d", "1Mi")),
            stored(written=8 * KI, log=1 * KI),
            'Container c exceeded its local ephemeral storage limit "8Ki". ',
            id="a container, its log counted",
        ),
        pytest.param(pod("p", limited("c", "8Ki"), limited("d", "1Mi")), stored(written=8 * KI), None, id="within"),
    ],
)
def test_excess(obj: Obj, found: PodStorage, message: str | None) -> None:
    assert excess(obj, found) == message
    assert is_limited(obj) or message is None


async def test_a_pod_that_writes_too_much_is_evicted(world: World, tmp_path: Path) -> None:
    root = tmp_path
    uid, other = world.add(pod("greedy", volumes=[volume("16Ki")])), world.add(pod("modest", volumes=[volume("1Gi")]))
    await world.until(lambda: world.ready(uid) and world.ready(other))
    told: list[tuple[str, str]] = []
    watch = LocalStorage(
        Storage(world.runtime, FolderSizes(world.clock), root),
        world.clock,
        workers=lambda: list(world.manager.workers.values()),
        tell=lambda obj, reason, message: told.append((obj["metadata"]["name"], message)),
    )
    await watch.look()
    assert told == []
    for each in (uid, other):
        (PodPaths(root, each).volume("empty-dir", "data") / "file").write_bytes(b"x" * 30_000)
    world.clock.advance(11)
    await watch.look()
    assert told == [("greedy", 'Usage of EmptyDir volume "data" exceeds the limit "16Ki". ')]
    await world.until(lambda: world.status(uid)["phase"] == "Failed")
    assert world.status(uid)["reason"] == "Evicted"
    await watch.look()
    assert len(told) == 1 and world.status(other)["phase"] == "Running"
