"""Nodes: silence, taints, zones, evictions and pod CIDRs."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.loops import ephemeral_node, node_ipam, pod_garbage_collector
from controller.loops.node_lifecycle import health, zones
from controller.loops.taint_eviction import evict_in
from tests.controller.cluster_objects import NOW, STAMP, node, pod

Obj = dict[str, Any]


def test_a_silent_node_becomes_unknown() -> None:
    found = {c["type"]: (c["status"], c["reason"]) for c in health.silenced(node(), STAMP)}
    assert found == {
        "Ready": ("Unknown", "NodeStatusUnknown"),
        "MemoryPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "DiskPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "PIDPressure": ("Unknown", "NodeStatusNeverUpdated"),
    }
    silent = node()
    silent["status"]["conditions"] = health.silenced(node(), STAMP)
    assert health.silenced(silent, "2027-01-01T00:00:00Z") == silent["status"]["conditions"]


@pytest.mark.parametrize(
    ("found", "keys"),
    [
        pytest.param(node(), [], id="ready"),
        pytest.param(node(ready="False"), [health.NOT_READY], id="not ready"),
        pytest.param(node(ready="Unknown"), [health.UNREACHABLE], id="unreachable"),
        pytest.param(node(ready=""), [], id="never spoke"),
        pytest.param(node(unschedulable=True), [health.UNSCHEDULABLE], id="cordoned"),
    ],
)
def test_no_schedule_taints(found: Obj, keys: list[str]) -> None:
    taints = health.with_no_schedule(found, STAMP)
    assert [t["key"] for t in taints] == keys
    found["spec"]["taints"] = taints
    assert health.with_no_schedule(found, "later") == taints


@pytest.mark.parametrize(
    ("ready", "label", "after", "left"),
    [
        pytest.param("True", "300", 900, None, id="ready"),
        pytest.param("Unknown", "300", 100, 200, id="away, not for long"),
        pytest.param("False", "300", 301, -1, id="away for too long"),
        pytest.param("Unknown", "", 9000, None, id="a node to be waited for"),
        pytest.param("Unknown", "soon", 9000, None, id="a label that is no number"),
    ],
)
def test_a_node_that_may_go_goes_after_a_while(ready: str, label: str, after: int, left: float | None) -> None:
    found = node(ready=ready)
    found["metadata"]["labels"] = {ephemeral_node.LABEL: label} if label else {}
    for condition in found["status"]["conditions"]:
        condition["lastTransitionTime"] = STAMP
    assert ephemeral_node.left(found, NOW + timedelta(seconds=after)) == left


def test_foreign_taints_stay_and_stale_ones_go() -> None:
    found = node()
    mine = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    found["spec"]["taints"] = [mine, {"key": health.UNREACHABLE, "effect": "NoSchedule"}]
    assert health.with_no_schedule(found, STAMP) == [mine]
    no_execute = health.with_no_execute(
        [mine, {"key": health.NOT_READY, "effect": "NoExecute"}], health.UNREACHABLE, STAMP
    )
    assert [t["key"] for t in no_execute] == ["dedicated", health.UNREACHABLE]


@pytest.mark.parametrize(
    ("ready", "lost", "expected"),
    [
        pytest.param(3, 0, "Normal", id="all well"),
        pytest.param(3, 2, "Normal", id="two lost are two lost"),
        pytest.param(2, 3, "PartialDisruption", id="most are lost"),
        pytest.param(0, 1, "FullDisruption", id="none left"),
    ],
)
def test_zone_states(ready: int, lost: int, expected: str) -> None:
    nodes = [node(f"r{i}") for i in range(ready)] + [node(f"l{i}", ready="Unknown") for i in range(lost)]
    assert zones.state(nodes, 0.55) == expected


@pytest.mark.parametrize(
    ("states", "sizes", "expected"),
    [
        pytest.param({"a": "FullDisruption"}, {"a": 3}, {"a": 0.0}, id="everything lost: it is us"),
        pytest.param(
            {"a": "FullDisruption", "b": "Normal"}, {"a": 3, "b": 3}, {"a": 0.1, "b": 0.1}, id="one zone lost"
        ),
        pytest.param({"a": "PartialDisruption"}, {"a": 10}, {"a": 0.0}, id="small zone stops"),
        pytest.param({"a": "PartialDisruption"}, {"a": 60}, {"a": 0.01}, id="large zone slows"),
    ],
)
def test_eviction_rates(states: dict[str, zones.State], sizes: dict[str, int], expected: dict[str, float]) -> None:
    assert zones.rates(states, sizes, zones.Rates()) == expected


TAINT = {"key": health.UNREACHABLE, "effect": "NoExecute", "timeAdded": STAMP}


@pytest.mark.parametrize(
    ("tolerations", "after", "expected"),
    [
        pytest.param([], 0, 0.0, id="none"),
        pytest.param([{"operator": "Exists"}], 0, None, id="all"),
        pytest.param(
            [{"key": health.UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}], 0, 300.0, id="300 s"
        ),
        pytest.param(
            [{"key": health.UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}], 100, 200.0, id="200 s left"
        ),
        pytest.param(
            [{"key": health.UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}], 400, 0.0, id="over"
        ),
        pytest.param([{"key": health.NOT_READY, "operator": "Exists"}], 0, 0.0, id="another taint's"),
        pytest.param([{"key": health.UNREACHABLE, "value": "x"}], 0, 0.0, id="another value"),
    ],
)
def test_eviction(tolerations: list[Obj], after: float, expected: float | None) -> None:
    """line 75: tolerated seconds, cancelled when the taint goes."""
    found = pod()
    found["spec"]["tolerations"] = tolerations
    assert evict_in(found, [TAINT], NOW + timedelta(seconds=after)) == expected


def test_without_no_execute_taints_pods_stay() -> None:
    assert evict_in(pod(), [{"key": "a", "effect": "NoSchedule"}], NOW) is None


def pool(cluster: str = "10.244.0.0/22", prefix: int = 24) -> node_ipam.Pool:
    return node_ipam.Pool(ipaddress.ip_network(cluster), prefix)


def with_cidr(name: str, cidr: str) -> Obj:
    found = node(name)
    found["spec"]["podCIDRs"] = [cidr]
    return found


def test_pod_cidrs_go_round_and_skip_what_is_taken() -> None:
    pools = [pool()]
    taken = [with_cidr("a", "10.244.0.0/24"), with_cidr("b", "10.244.2.0/24")]
    assert node_ipam.plan(node("c"), taken, pools, []) == [ipaddress.ip_network("10.244.1.0/24")]
    assert node_ipam.plan(node("d"), taken, pools, []) == [ipaddress.ip_network("10.244.3.0/24")]
    assert node_ipam.plan(taken[0], taken, pools, []) == []
    full = [*taken, with_cidr("c", "10.244.1.0/24"), with_cidr("d", "10.244.3.0/24")]
    assert node_ipam.plan(node("e"), full, pools, []) is None


@given(st.lists(st.integers(0, 15), max_size=16), st.booleans())
def test_no_two_nodes_share_an_address(taken: list[int], services_inside: bool) -> None:
    pools = [pool("10.244.0.0/20")]
    reserved = [ipaddress.ip_network("10.244.3.0/24")] if services_inside else []
    nodes = [with_cidr(f"n{i}", f"10.244.{i}.0/24") for i in set(taken)]
    while (found := node_ipam.plan(node("new"), nodes, pools, reserved)) is not None:
        [cidr] = found
        assert not any(cidr.overlaps(n) for other in nodes for n in node_ipam.networks_of(other))
        assert cidr not in reserved
        nodes.append(with_cidr(f"new{len(nodes)}", str(cidr)))
    assert len(nodes) >= 16 - len(reserved)


def test_a_cluster_cidr_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        pool("10.244.0.0/26", 24)


def test_pods_nobody_else_deletes() -> None:
    nodes = {"node-1": node("node-1")}
    lost, fresh = pod(node="gone"), pod(node="maybe-back")
    unscheduled = pod(node="", phase="Pending", deleting=True)
    finished = [pod(phase="Succeeded", since=f"2026-11-2{d}T00:00:00Z") for d in (2, 0, 1)]
    decided = pod_garbage_collector.plan([lost, fresh, unscheduled, pod(), *finished], nodes, {"gone"}, threshold=1)
    assert [d.pod for d in decided] == [lost, unscheduled, finished[1], finished[2]]
    assert decided[0].message == "PodGC: node no longer exists"
