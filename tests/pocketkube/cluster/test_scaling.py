"""What a running cluster may become, decided without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pocketkube.cluster import planning, scaling
from pocketkube.cluster.components import components
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec, NodeSpec

BRIDGE = {"bridge": "pk1br", "bridge_cidr": "10.161.0.1/24"}


def spec(*, nodes: int = 2, **more: Any) -> ClusterSpec:
    hosts = tuple(planning.host("t", 1, i) for i in range(nodes))
    return ClusterSpec(name="t", slot=1, address="10.161.0.1", nodes=hosts, **{**BRIDGE, **more})


def plan(before: ClusterSpec, **wanted: int) -> ClusterSpec:
    there = {"nodes": len(before.nodes), "api_servers": before.api_servers, "etcd_members": before.etcd_members}
    return scaling.plan(before, **{**there, **wanted})


def ids(tmp_path: Path, made: ClusterSpec) -> set[str]:
    return {c.id for c in components(Layout("t", tmp_path), made)}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_hosts_come_and_go_at_the_end_and_those_that_stay_keep_their_processes(tmp_path: Path, count: int) -> None:
    before, after = spec(), plan(spec(), nodes=count)
    assert [n.name for n in after.nodes] == [f"node-{i + 1}" for i in range(count)]
    staying = {c for c in ids(tmp_path, before) if "node-" not in c or int(c[-1]) <= count}
    assert staying <= ids(tmp_path, after)


def test_a_control_plane_alone_gets_a_bridge_for_its_first_hosts() -> None:
    before = replace(spec(nodes=0), bridge="", bridge_cidr="", address="192.0.2.7")
    after = plan(before, nodes=1)
    assert (after.bridge, after.bridge_cidr, after.address) == ("pk1br", "10.161.0.1/24", "192.0.2.7")


def test_the_balancer_stays_when_one_api_server_is_left(tmp_path: Path) -> None:
    three = plan(spec(), api_servers=3)
    one = plan(three, api_servers=1)
    assert {"balancer-0", "balancer-1", "apiserver-0"} <= ids(tmp_path, one) <= ids(tmp_path, three)
    assert plan(one, api_servers=3).server_port(0) == one.server_port(0)
    assert ClusterSpec.from_json(one.to_json()) == one


HOST = NodeSpec(name="h", address="192.0.2.7")


@pytest.mark.parametrize(
    ("before", "wanted", "words"),
    [
        pytest.param(spec(), {"etcd_members": 3}, "etcd member", id="etcd"),
        pytest.param(replace(spec(), nodes=(HOST,)), {"nodes": 2}, "this machine itself", id="this machine as a node"),
    ],
)
def test_what_cannot_change_is_refused(before: ClusterSpec, wanted: dict[str, int], words: str) -> None:
    with pytest.raises(ClusterError, match=words):
        plan(before, **wanted)
