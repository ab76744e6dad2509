"""Who has to go: as few and as unimportant pods as do, none where it does not help, budgets respected if possible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.pod_info import PodInfo
from scheduler.preemption import Victims, least_harm, victims_on
from scheduler.ranking import Ranking
from tests.scheduler.conftest import Bench
from tests.scheduler.objects import anti_affinity, make_node, make_pod

Obj = dict[str, Any]


def victims(bench: Bench, pod: Obj, node: str = "n", budgets: list[Obj] | None = None) -> list[str] | None:
    """Names of those that must leave `node` for `pod`, sorted; None if that does not help."""
    info = PodInfo(pod)
    ranking = bench.scheduler._ranking(info, bench.profile)
    assert isinstance(ranking, Ranking)
    assert ranking.best() is None
    found = victims_on(bench.snapshot.nodes[node], info, ranking.check, budgets or [])
    return None if found is None else sorted(v.name for v in found.pods)


@pytest.mark.parametrize(
    ("there", "pod", "expected"),
    [
        pytest.param([("a", 0, "2"), ("b", 0, "2")], ("2", 10), 1, id="only-one"),
        pytest.param([("a", 5, "2"), ("b", 1, "2")], ("2", 10), ["b"], id="the-lesser"),
        pytest.param([("a", 5, "2"), ("b", 1, "1"), ("c", 1, "1")], ("2", 10), ["b", "c"], id="two-lesser"),
        pytest.param([("a", 10, "4")], ("2", 10), None, id="equal-priority"),
        pytest.param([("a", 20, "4")], ("2", 10), None, id="higher-priority"),
        pytest.param([("a", 20, "3"), ("b", 1, "1")], ("2", 10), None, id="does-not-help"),
        pytest.param([("a", 1, "3"), ("b", 2, "500m"), ("c", 3, "500m")], ("3", 10), ["a"], id="reprieves-the-small"),
    ],
)
async def test_victims_on_a_node(
    bench: Bench, there: list[tuple[str, int, str]], pod: tuple[str, int], expected: list[str] | int | None
) -> None:
    bench.nodes(make_node("n", cpu="4"))
    bench.pods(*[make_pod(name, node="n", priority=priority, cpu=cpu) for name, priority, cpu in there])
    found = victims(bench, make_pod("p", cpu=pod[0], priority=pod[1]))
    assert (len(found or []) if isinstance(expected, int) else found) == expected


async def test_victims_by_extended_resource_and_port(bench: Bench) -> None:
    bench.nodes(make_node("n", resources={"example.com/gpu": "1"}))
    bench.pods(
        make_pod("gpu", node="n", requests={"example.com/gpu": "1"}),
        make_pod("port", node="n", ports=[{"hostPort": 80, "containerPort": 80}]),
        make_pod("other", node="n"),
    )
    ports = [{"hostPort": 80, "containerPort": 80}]
    pod = make_pod("p", priority=1, requests={"example.com/gpu": "1"}, ports=ports)
    assert victims(bench, pod) == ["gpu", "port"]


async def test_victims_by_anti_affinity(bench: Bench) -> None:
    bench.nodes(make_node("n"))
    bench.pods(make_pod("noisy", node="n", labels={"app": "x"}), make_pod("quiet", node="n"))
    assert victims(bench, make_pod("p", priority=1, affinity=anti_affinity({"app": "x"}))) == ["noisy"]


async def test_looking_for_victims_changes_nothing(bench: Bench) -> None:
    bench.nodes(make_node("n", cpu="1")).pods(make_pod("old", node="n", cpu="1", labels={"app": "x"}))
    pod = make_pod("p", cpu="1", priority=1, labels={"app": "x"}, affinity=anti_affinity({"app": "x"}))
    before = bench.why(pod)
    assert victims(bench, pod) == ["old"]
    assert (bench.why(pod), len(bench.snapshot.nodes["n"].pods)) == (before, 1)


async def test_budgets_are_spared_where_possible(bench: Bench) -> None:
    bench.nodes(make_node("n", cpu="2"))
    bench.pods(
        make_pod("guarded", node="n", cpu="1", labels={"app": "g"}),
        make_pod("plain", node="n", cpu="1", labels={"app": "p"}),
    )
    meta = {"name": "b", "namespace": "default"}
    budget = {
        "metadata": meta,
        "spec": {"selector": {"matchLabels": {"app": "g"}}},
        "status": {"disruptionsAllowed": 0},
    }
    assert victims(bench, make_pod("p", cpu="1", priority=1), budgets=[budget]) == ["plain"]
    assert victims(bench, make_pod("p", cpu="2", priority=1), budgets=[budget]) == ["guarded", "plain"]


def harmed(node: str, *priorities: int, violations: int = 0, start: str = "2026-01-01T00:00:00Z") -> Victims:
    pods = []
    for i, priority in enumerate(priorities):
        pod = make_pod(f"{node}{i}", priority=priority)
        pod["status"]["startTime"] = start
        pods.append(PodInfo(pod))
    return Victims(node, pods, violations)


@pytest.mark.parametrize(
    "candidates",
    [
        pytest.param([harmed("x", 1, violations=1), harmed("best", 5, 5)], id="no-violations"),
        pytest.param([harmed("x", 5), harmed("best", 4, 4, 4)], id="lowest-top"),
        pytest.param([harmed("x", 5, 4), harmed("best", 5, 1)], id="lowest-sum"),
        pytest.param([harmed("x", 5, -(1 << 31)), harmed("best", 5)], id="fewest"),
        pytest.param([harmed("x", 5), harmed("best", 5, start="2026-02-01T00:00:00Z")], id="started-last"),
        pytest.param([harmed("x", 5), harmed("best")], id="nobody"),
    ],
)
def test_least_harm(candidates: list[Victims]) -> None:
    assert least_harm(candidates).node == "best"
    assert least_harm(candidates[::-1]).node == "best"


@settings(max_examples=60, deadline=None)
@given(
    there=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 8)), max_size=12),
    wanted=st.integers(1, 16),
    priority=st.integers(0, 6),
)
async def test_victims_suffice_and_none_is_needless(there: list[tuple[int, int]], wanted: int, priority: int) -> None:
    """After they left the pod fits; with any one of them back it does not; none is as important as the pod."""
    bench = Bench()
    bench.nodes(make_node("n", cpu="1600m"))
    for i, (p, cpu) in enumerate(there):
        if bench.snapshot.nodes["n"].requested.get("cpu", 0) + cpu * 100 <= 1600:
            bench.pods(make_pod(f"p{i}", node="n", priority=p, cpu=f"{cpu * 100}m"))
    info = PodInfo(make_pod("new", cpu=f"{wanted * 100}m", priority=priority))
    ranking = bench.scheduler._ranking(info, bench.profile)
    assert isinstance(ranking, Ranking)
    if ranking.best() is not None:
        return
    node = bench.snapshot.nodes["n"]
    found = victims_on(node, info, ranking.check, [])
    if found is None:
        lower = sum(p.requests["cpu"] for p in node.pods.values() if p.priority < priority)
        assert node.requested["cpu"] - lower + wanted * 100 > 1600 or not lower
        return
    assert all(v.priority < priority for v in found.pods)
    trial = node.copy()
    for victim in found.pods:
        trial.remove(victim.uid)
    assert ranking.check(trial) is None
    for victim in found.pods:
        trial.add(victim)
        assert ranking.check(trial) is not None
        trial.remove(victim.uid)
