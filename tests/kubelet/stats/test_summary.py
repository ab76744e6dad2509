"""The Summary of a node with one pod: every figure that upstream's clients read is there, and files on disk are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubelet.config import KubeletConfig
from kubelet.node.agent import NodeAgent
from kubelet.pods.paths import PodPaths
from kubelet.runtime.docker import inspection
from kubelet.runtime.interface import ContainerFiles
from kubelet.runtime.memory import MemoryRuntime, Script
from kubelet.stats import measures, prometheus
from kubelet.stats.folders import FolderSizes, measure
from kubelet.stats.summary import Stats
from pocketkube.base.clock import FakeClock
from pocketkube.client.config import ClientConfig
from pocketkube.client.rest import Client
from tests.kubelet.world import IMAGE, World, container, pod

Obj = dict[str, Any]

MEMORY = {"time", "usageBytes", "workingSetBytes", "rssBytes", "pageFaults", "majorPageFaults"}
CPU = {"time", "usageNanoCores", "usageCoreNanoSeconds"}
FILES = {"time", "availableBytes", "capacityBytes", "usedBytes", "inodesFree", "inodes", "inodesUsed"}


@pytest.fixture
async def stats(tmp_path: Path) -> AsyncIterator[Stats]:
    clock = FakeClock()
    layer, log = tmp_path / "layer", tmp_path / "log"
    layer.mkdir()
    (layer / "written").write_bytes(b"x" * 10_000)
    log.write_bytes(b"y" * 5000)

    def script(config: Any) -> Script:
        return Script(files=ContainerFiles(layer=layer, log=log))

    world = World(tmp_path, runtime=MemoryRuntime(clock, images=(IMAGE,), script=script))
    uid = world.add(pod("web", container("c"), volumes=[{"name": "data", "emptyDir": {}}]))
    await world.until(lambda: world.ready(uid))
    (PodPaths(tmp_path, uid).volume("empty-dir", "data") / "kept").write_bytes(b"z" * 20_000)
    client = Client(ClientConfig())
    agent = NodeAgent(KubeletConfig(node_name="node-1", root_dir=tmp_path), client, world.runtime, clock)
    yield Stats(world.runtime, world.manager, agent, clock, root=tmp_path, name="node-1")
    await world.manager.stop()
    await client.aclose()


async def test_the_node(stats: Stats) -> None:
    node = (await stats.summary())["node"]
    assert set(node["cpu"]) == CPU
    assert set(node["memory"]) == MEMORY | {"availableBytes"}
    assert set(node["fs"]) == set(node["runtime"]["imageFs"]) == FILES
    assert node["memory"]["rssBytes"] > 0 and node["memory"]["pageFaults"] > 0
    programs = {p["name"]: p for p in node["systemContainers"]}
    assert set(programs) == {"kubelet", "pods"}  # no engine runs here
    assert programs["kubelet"]["cpu"]["usageCoreNanoSeconds"] > 0
    assert programs["pods"]["memory"]["workingSetBytes"] == 1 << 20
    assert all("rxBytes" in i for i in node["network"]["interfaces"])


async def test_a_pod(stats: Stats) -> None:
    (found,) = (await stats.summary())["pods"]
    (one,) = found["containers"]
    assert set(one["memory"]) == set(found["memory"]) == MEMORY
    assert set(one["cpu"]) == CPU
    assert 10_000 <= one["rootfs"]["usedBytes"] < 50_000
    assert 5000 <= one["logs"]["usedBytes"] < 10_000
    (volume,) = found["volume"]
    assert volume["name"] == "data" and 20_000 <= volume["usedBytes"] < 60_000
    total = one["rootfs"]["usedBytes"] + one["logs"]["usedBytes"] + volume["usedBytes"]
    assert found["ephemeral-storage"]["usedBytes"] == total
    assert (await stats.usage_of_pods("ephemeral-storage")) == {"uid-web": total}
    assert (await stats.usage_of_pods("memory")) == {"uid-web": 1 << 20}


async def test_as_text(stats: Stats) -> None:
    text = prometheus.render(await stats.summary()).decode()
    assert '# TYPE container_cpu_usage_seconds_total counter\ncontainer_cpu_usage_seconds_total{container="c"' in text
    assert 'container_memory_rss{container="c",namespace="default",pod="web"} 524288' in text
    assert "\nnode_memory_working_set_bytes " in text


async def test_a_folder_is_measured_once_a_minute(tmp_path: Path) -> None:
    clock = FakeClock()
    sizes = FolderSizes(clock)
    before = await sizes.of(tmp_path)
    (tmp_path / "more").write_bytes(b"x" * 8192)
    assert await sizes.of(tmp_path) == before
    assert (await sizes.of(tmp_path, newer_than=0)).bytes >= before.bytes + 8192
    (tmp_path / "again").write_bytes(b"x" * 8192)
    clock.advance(61)
    assert (await sizes.of(tmp_path)).inodes == before.inodes + 2
    assert measure(tmp_path / "nothing") == (0, 0)


def test_a_process_and_what_is_none() -> None:
    import os

    mine = measures.process(os.getpid())
    assert mine is not None and mine.rss > 1 << 20 and mine.started > measures.boot_time()
    assert measures.process(2**22 + 1) is None
    assert measures.interfaces(2**22 + 1) == []


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param(
            {"total_inactive_file": 10, "total_rss": 40, "total_pgfault": 7, "total_pgmajfault": 2, "rss": 1}, id="v1"
        ),
        pytest.param({"inactive_file": 10, "anon": 40, "pgfault": 7, "pgmajfault": 2}, id="v2"),
    ],
)
def test_usage_as_either_cgroup_version_names_it(figures: Obj) -> None:
    used = inspection.usage({"memory_stats": {"usage": 100, "stats": figures}})
    assert (used.memory, used.working_set, used.rss, used.faults, used.major_faults) == (100, 90, 40, 7, 2)
