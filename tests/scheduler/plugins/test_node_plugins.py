"""Plugins that look at one node: which nodes fit, and in whose words not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.scheduler.conftest import Bench
from tests.scheduler.objects import make_node, make_pod

Obj = dict[str, Any]

NO_TAINT = "0/1 nodes are available: 1 node(s) had untolerated taint {%s}."


def port(number: int, ip: str = "", protocol: str = "TCP") -> Obj:
    return {"containerPort": 80, "hostPort": number, "hostIP": ip, "protocol": protocol}


def required(*terms: Obj) -> Obj:
    selector = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


def expression(key: str, operator: str, *values: str) -> Obj:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("taint", "toleration", "fits"),
    [
        pytest.param({"key": "k", "value": "v", "effect": "NoSchedule"}, None, False, id="none"),
        pytest.param({"key": "k", "value": "v", "effect": "NoExecute"}, None, False, id="no-execute"),
        pytest.param({"key": "k", "value": "v", "effect": "PreferNoSchedule"}, None, True, id="prefer"),
        pytest.param({"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "v"}, True, id="equal"),
        pytest.param({"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "w"}, False, id="other"),
        pytest.param({"key": "k", "effect": "NoSchedule"}, {"key": "k", "operator": "Exists"}, True, id="exists"),
        pytest.param({"key": "k", "effect": "NoSchedule"}, {"operator": "Exists"}, True, id="everything"),
        pytest.param(
            {"key": "k", "effect": "NoSchedule"},
            {"key": "k", "operator": "Exists", "effect": "NoExecute"},
            False,
            id="other-effect",
        ),
    ],
)
async def test_taints(bench: Bench, taint: Obj, toleration: Obj | None, fits: bool) -> None:
    bench.nodes(make_node("n", taints=[taint]))
    pod = make_pod("p", tolerations=[toleration] if toleration else [])
    assert bool(bench.where(pod)) is fits
    if not fits:
        assert bench.why(pod) == NO_TAINT % f"{taint['key']}: {taint.get('value', '')}"


async def test_preferred_taints_are_avoided(bench: Bench) -> None:
    taint = {"key": "k", "effect": "PreferNoSchedule"}
    bench.nodes(make_node("a", taints=[taint], cpu="64", memory="64Gi"), make_node("b"))
    assert bench.where(make_pod("p", cpu="1")) == "b"


async def test_cordoned(bench: Bench) -> None:
    bench.nodes(make_node("n", unschedulable=True))
    assert bench.why(make_pod("p")) == "0/1 nodes are available: 1 node(s) were unschedulable."
    tolerates = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
    assert bench.where(make_pod("p", tolerations=[tolerates])) == "n"


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        pytest.param({"nodeSelector": {"disk": "ssd"}}, ["a"], id="selector"),
        pytest.param({"nodeSelector": {"disk": "ssd", "gpu": "no"}}, [], id="selector-all"),
        pytest.param({"affinity": required(expression("disk", "In", "ssd", "hdd"))}, ["a", "b"], id="in"),
        pytest.param({"affinity": required(expression("disk", "NotIn", "ssd"))}, ["b", "c"], id="not-in"),
        pytest.param({"affinity": required(expression("disk", "Exists"))}, ["a", "b"], id="exists"),
        pytest.param({"affinity": required(expression("disk", "DoesNotExist"))}, ["c"], id="does-not-exist"),
        pytest.param({"affinity": required(expression("cores", "Gt", "4"))}, ["b"], id="greater"),
        pytest.param({"affinity": required(expression("cores", "Lt", "8"))}, ["a"], id="less"),
        pytest.param(
            {"affinity": required(expression("disk", "In", "ssd"), expression("cores", "Gt", "4"))},
            ["a", "b"],
            id="any-term",
        ),
        pytest.param({"affinity": required({})}, [], id="empty-term"),
        pytest.param(
            {"affinity": required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["c"]}]})},
            ["c"],
            id="name",
        ),
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}, "affinity": required(expression("cores", "Gt", "4"))}, [], id="both"
        ),
    ],
)
async def test_node_affinity(bench: Bench, spec: Obj, fits: list[str]) -> None:
    bench.nodes(
        make_node("a", labels={"disk": "ssd", "cores": "4"}),
        make_node("b", labels={"disk": "hdd", "cores": "8"}),
        make_node("c"),
    )
    pod = make_pod("p", **spec)
    assert bench.fitting(pod) == fits
    if not fits:
        assert bench.why(pod) == "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."


async def test_preferred_node_affinity(bench: Bench) -> None:
    bench.nodes(make_node("a", labels={"disk": "ssd"}), make_node("b", cpu="64", memory="64Gi"))
    prefers = [{"weight": 50, "preference": expression("disk", "In", "ssd")}]
    spec = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": prefers}}
    assert bench.where(make_pod("p", cpu="1", affinity=spec)) == "a"


@pytest.mark.parametrize(
    ("there", "wanted", "fits"),
    [
        pytest.param(port(80), port(80), False, id="same"),
        pytest.param(port(80), port(81), True, id="other-port"),
        pytest.param(port(80), port(80, protocol="UDP"), True, id="other-protocol"),
        pytest.param(port(80, "10.0.0.1"), port(80, "10.0.0.2"), True, id="other-address"),
        pytest.param(port(80, "10.0.0.1"), port(80), False, id="all-addresses-wanted"),
        pytest.param(port(80), port(80, "10.0.0.1"), False, id="all-addresses-taken"),
    ],
)
async def test_ports(bench: Bench, there: Obj, wanted: Obj, fits: bool) -> None:
    bench.nodes(make_node("n")).pods(make_pod("old", node="n", ports=[there]))
    pod = make_pod("p", ports=[wanted])
    assert bool(bench.where(pod)) is fits
    if not fits:
        assert "1 node(s) didn't have free ports for the requested pod ports." in bench.why(pod)


def init(cpu: str, *, sidecar: bool = False) -> Obj:
    container: Obj = {"name": f"i{cpu}{sidecar}", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    return {**container, "restartPolicy": "Always"} if sidecar else container


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        pytest.param({"cpu": "2", "memory": "1Gi"}, "", id="exact"),
        pytest.param({"cpu": "2001m"}, "1 Insufficient cpu", id="cpu"),
        pytest.param({"memory": "2Gi"}, "1 Insufficient memory", id="memory"),
        pytest.param({"cpu": "3", "memory": "2Gi"}, "1 Insufficient cpu, 1 Insufficient memory", id="both"),
        pytest.param({"requests": {"example.com/gpu": "1"}}, "", id="extended"),
        pytest.param({"requests": {"example.com/gpu": "2"}}, "1 Insufficient example.com/gpu", id="extended-too-many"),
        pytest.param({"requests": {"example.com/none": "1"}}, "1 Insufficient example.com/none", id="unknown"),
        pytest.param({"requests": {"example.com/none": "0"}}, "", id="unknown-zero"),
        pytest.param({"cpu": "1", "initContainers": [init("3")]}, "1 Insufficient cpu", id="init-larger"),
        pytest.param({"cpu": "1", "initContainers": [init("2")]}, "", id="init-fits"),
        pytest.param({"cpu": "1500m", "initContainers": [init("1", sidecar=True)]}, "1 Insufficient cpu", id="sidecar"),
        pytest.param(
            {"cpu": "100m", "initContainers": [init("1", sidecar=True), init("1500m")]},
            "1 Insufficient cpu",
            id="init-beside-sidecar",
        ),
        pytest.param({"cpu": "100m", "initContainers": [init("1500m"), init("1", sidecar=True)]}, "", id="init-first"),
        pytest.param({"cpu": "2", "overhead": {"cpu": "1m"}}, "1 Insufficient cpu", id="overhead"),
        pytest.param({"cpu": "1", "resources": {"requests": {"cpu": "3"}}}, "1 Insufficient cpu", id="pod-level"),
    ],
)
async def test_resources(bench: Bench, pod: Obj, why: str) -> None:
    bench.nodes(make_node("n", cpu="4", memory="2Gi", resources={"example.com/gpu": "1"}))
    bench.pods(make_pod("old", node="n", cpu="2", memory="1Gi"))
    expected = f"0/1 nodes are available: {why}." if why else "fits on n"
    assert bench.why(make_pod("p", **pod)) == expected


async def test_too_many_pods(bench: Bench) -> None:
    bench.nodes(make_node("n", pods="1")).pods(make_pod("old", node="n"))
    assert bench.why(make_pod("p")) == "0/1 nodes are available: 1 Too many pods."


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [pytest.param("LeastAllocated", "empty", id="least"), pytest.param("MostAllocated", "used", id="most")],
)
async def test_scoring_strategy(make_bench: Callable[..., Bench], strategy: str, expected: str) -> None:
    bench = make_bench({"NodeResourcesFit": {"scoringStrategy": {"type": strategy}}})
    bench.nodes(make_node("empty"), make_node("used")).pods(make_pod("old", node="used", cpu="2", memory="4Gi"))
    assert bench.where(make_pod("p", cpu="1", memory="2Gi")) == expected


async def test_balanced_allocation_decides_between_equals(bench: Bench) -> None:
    bench.nodes(make_node("even"), make_node("odd"))
    bench.pods(make_pod("a", node="even", cpu="2", memory="2Gi"), make_pod("b", node="odd", cpu="1", memory="4Gi"))
    assert bench.where(make_pod("p", cpu="100m", memory="2Gi")) == "even"


async def test_images_draw(bench: Bench) -> None:
    size = 900 << 20
    bench.nodes(make_node("a"), make_node("b", images={"big:latest": size}), make_node("c"))
    assert bench.where(make_pod("p", image="big")) == "b"


async def test_reasons_are_counted_over_nodes(bench: Bench) -> None:
    bench.nodes(
        make_node("a", cpu="1"),
        make_node("b", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]),
        make_node("c", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]),
    )
    expected = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {k: v}."
    assert bench.why(make_pod("p", cpu="2")) == expected
