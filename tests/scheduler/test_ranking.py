"""Rankings kept up step by step say the same as rankings made anew, and never break what the plugins promise."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.pod_info import PodInfo
from scheduler.scheduler import Scheduler
from tests.scheduler.conftest import Bench
from tests.scheduler.objects import affinity, anti_affinity, make_node, make_pod, spread

Obj = dict[str, Any]

ZONE = "topology.kubernetes.io/zone"

SHAPES: dict[str, Obj] = {
    "plain": {"cpu": "500m", "labels": {"app": "plain"}},
    "big": {"cpu": "3", "memory": "2Gi", "labels": {"app": "big"}},
    "port": {"ports": [{"hostPort": 80, "containerPort": 80}], "labels": {"app": "port"}},
    "alone": {"affinity": anti_affinity({"app": "alone"}), "labels": {"app": "alone"}},
    "alone-zone": {"affinity": anti_affinity({"app": "plain"}, ZONE), "labels": {"app": "alone-zone"}},
    "together": {"affinity": affinity({"app": "together"}, ZONE), "labels": {"app": "together"}},
    "spread": {"topologySpreadConstraints": [spread(ZONE, 1, {"app": "spread"})], "labels": {"app": "spread"}},
    "spread-host": {
        "topologySpreadConstraints": [spread("kubernetes.io/hostname", 1, {"app": "sh"})],
        "labels": {"app": "sh"},
    },
    "tolerant": {"tolerations": [{"operator": "Exists"}], "labels": {"app": "tolerant"}},
    "west": {"nodeSelector": {ZONE: "z1"}, "labels": {"app": "west"}},
}

STEP = st.one_of(
    st.tuples(st.just("place"), st.sampled_from(sorted(SHAPES))),
    st.tuples(st.just("place"), st.sampled_from(sorted(SHAPES))),
    st.tuples(st.just("place"), st.sampled_from(sorted(SHAPES))),
    st.tuples(st.just("delete"), st.integers(0, 50)),
    st.tuples(st.just("node"), st.integers(0, 7)),
    st.tuples(st.just("drop"), st.integers(0, 7)),
    st.tuples(st.just("taint"), st.integers(0, 7)),
    st.tuples(st.just("relabel"), st.integers(0, 7)),
)


def node(i: int, **more: Any) -> Obj:
    labels = {ZONE: f"z{i % 3}"} if i != 7 else {}
    return make_node(f"n{i}", cpu=str(2 + i % 3), labels={**labels, **more.pop("labels", {})}, pods="6", **more)


def verdicts(bench: Bench, pod: Obj) -> dict[str, str]:
    """Each node's refusal, or "" where it fits, by the ranking that has been kept up."""
    info = PodInfo(pod)
    ranking = bench.scheduler._ranking(info, bench.profile)
    assert not isinstance(ranking, tuple)
    ranking.best()
    while ranking._unseen:
        ranking._look_at_more(100)
    refusals = ranking.refusals()
    return {name: (refusals[name].reasons[0] if name in refusals else "") for name in bench.snapshot.nodes}


def anew(bench: Bench) -> Scheduler:
    """A scheduler on the same snapshot that has seen nothing of it yet."""
    return Scheduler(bench.client, bench.snapshot, {"default-scheduler": bench.profile}, bench.scheduler._recorder)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, min_size=5, max_size=60))
async def test_kept_up_equals_made_anew(steps: list[tuple[str, Any]]) -> None:
    bench = Bench()
    for i in range(5):
        bench.nodes(node(i))
    placed: list[PodInfo] = []
    for count, (step, arg) in enumerate(steps):
        if step == "place":
            pod = make_pod(f"p{count}", **SHAPES[arg])
            chosen = bench.place(pod)
            if chosen:
                placed.append(PodInfo(pod))
        elif step == "delete" and placed:
            bench.snapshot.remove_pod(placed.pop(arg % len(placed)).uid)
        elif step == "node":
            bench.nodes(node(arg))
        elif step == "drop":
            bench.snapshot.remove_node(f"n{arg}")
        elif step == "taint" and f"n{arg}" in bench.snapshot.nodes:
            bench.nodes(node(arg, taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
        elif step == "relabel" and f"n{arg}" in bench.snapshot.nodes:
            bench.nodes(node(arg, labels={ZONE: "z1"}))
    kept = {name: verdicts(bench, make_pod("probe", **shape)) for name, shape in SHAPES.items()}
    bench.scheduler = anew(bench)
    fresh = {name: verdicts(bench, make_pod("probe", **shape)) for name, shape in SHAPES.items()}
    assert kept == fresh


@settings(max_examples=60, deadline=None)
@given(shapes=st.lists(st.sampled_from(sorted(SHAPES)), max_size=60))
async def test_what_plugins_promise_holds(shapes: list[str]) -> None:
    """Never over capacity, never a port twice, never against anti-affinity, never beyond the skew."""
    bench = Bench()
    for i in range(6):
        bench.nodes(node(i))
    for i, shape in enumerate(shapes):
        bench.place(make_pod(f"p{i}", **SHAPES[shape]))
    zones: dict[str, Counter[str]] = {}
    for info in bench.snapshot.nodes.values():
        assert len(info.pods) <= info.allocatable["pods"]
        for resource, taken in info.requested.items():
            assert taken <= info.allocatable[resource]
        assert all(n == 1 for n in info.ports.values())
        apps = Counter(pod.labels["app"] for pod in info.pods.values())
        assert apps["alone"] <= 1
        zones.setdefault(info.labels[ZONE], Counter()).update(apps)
        assert apps["west"] == 0 or info.labels[ZONE] == "z1"
    spreads = [zone["spread"] for zone in zones.values()]
    assert max(spreads) - min(spreads) <= 1
    assert len([z for z in zones.values() if z["together"]]) <= 1
    assert not [z for z in zones.values() if z["alone-zone"] and z["plain"]]


async def test_equal_nodes_share_the_load(bench: Bench) -> None:
    bench.nodes(*[make_node(f"n{i}") for i in range(10)])
    for i in range(30):
        bench.place(make_pod(f"p{i}", cpu="100m", memory="100Mi"))
    assert {len(info.pods) for info in bench.snapshot.nodes.values()} == {3}


async def test_a_large_cluster_is_not_looked_at_as_a_whole(bench: Bench) -> None:
    bench.nodes(*[make_node(f"n{i}") for i in range(500)])
    pod = make_pod("p", cpu="100m")
    assert bench.where(pod)
    ranking = bench.scheduler._ranking(PodInfo(pod), bench.profile)
    assert not isinstance(ranking, tuple)
    assert len(ranking._entries) == 230  # 46 percent of 500


async def test_the_only_fitting_node_of_many_is_found(bench: Bench) -> None:
    bench.nodes(*[make_node(f"n{i}", cpu="1") for i in range(400)], make_node("large", cpu="8"))
    assert bench.where(make_pod("p", cpu="4")) == "large"


@pytest.mark.parametrize("unique", [True, False], ids=["hostnames-unique", "hostnames-shared"])
async def test_hosts_that_share_a_hostname_are_one_place(bench: Bench, unique: bool) -> None:
    same = {} if unique else {"kubernetes.io/hostname": "same"}
    bench.nodes(make_node("a", labels=same), make_node("b", labels=same))
    shape: Obj = {"affinity": anti_affinity({"app": "x"}), "labels": {"app": "x"}}
    assert bench.place(make_pod("one", **shape))
    assert bool(bench.place(make_pod("two", **shape))) is unique
