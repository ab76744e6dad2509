"""Plugins that look at the whole cluster: spread, affinity between pods, volumes."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.client.resources import (
    CSINODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    REPLICASETS,
    SERVICES,
    STORAGECLASSES,
)
from tests.scheduler.conftest import Bench
from tests.scheduler.objects import affinity, anti_affinity, make_node, make_pod, spread

Obj = dict[str, Any]

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
APP = {"app": "x"}


def zoned(bench: Bench, **zones: str) -> Bench:
    """zoned(a="z1", b="") makes node a in zone z1 and b without zone."""
    return bench.nodes(*[make_node(n, labels={ZONE: z} if z else {}) for n, z in zones.items()])


def running(bench: Bench, **nodes: int) -> Bench:
    """running(a=2) puts two pods of app x on node a."""
    for node, count in nodes.items():
        bench.pods(*[make_pod(f"{node}{i}", node=node, labels=APP) for i in range(count)])
    return bench


@pytest.mark.parametrize(
    ("there", "constraint", "fits"),
    [
        pytest.param({}, spread(ZONE, 1, APP), ["a", "b", "c"], id="none-yet"),
        pytest.param({"a": 1}, spread(ZONE, 1, APP), ["c"], id="one-zone-ahead"),
        pytest.param({"a": 1, "c": 1}, spread(ZONE, 1, APP), ["a", "b", "c"], id="level"),
        pytest.param({"a": 1}, spread(ZONE, 2, APP), ["a", "b", "c"], id="skew-two"),
        pytest.param({"a": 1}, spread(HOST, 1, APP), ["b", "c", "d"], id="hosts"),
        pytest.param({"a": 1}, spread(ZONE, 1, APP, minDomains=3), ["c"], id="min-domains-not-met"),
        pytest.param({"a": 1, "c": 1}, spread(ZONE, 1, APP, minDomains=3), [], id="min-domains-none-left"),
        pytest.param({"a": 3}, spread(ZONE, 1, {"app": "other"}), ["a", "b", "c"], id="other-pods"),
        pytest.param({"a": 3}, spread(ZONE, 1, APP, hard=False), ["a", "b", "c", "d"], id="soft"),
    ],
)
async def test_spread_filter(bench: Bench, there: dict[str, int], constraint: Obj, fits: list[str]) -> None:
    running(zoned(bench, a="z1", b="z1", c="z2", d=""), **there)
    assert bench.fitting(make_pod("p", labels=APP, topologySpreadConstraints=[constraint])) == fits


async def test_spread_in_words(bench: Bench) -> None:
    running(zoned(bench, a="z1", b="z1", d=""), a=1)
    bench.nodes(make_node("full", cpu="1", labels={ZONE: "z2"}))
    pod = make_pod("p", cpu="2", labels=APP, topologySpreadConstraints=[spread(ZONE, 1, APP)])
    text = "node(s) didn't match pod topology spread constraints"
    assert (
        bench.why(pod) == f"0/4 nodes are available: 1 Insufficient cpu, 1 {text} (missing required label), 2 {text}."
    )


async def test_spread_counts_only_where_the_pod_may_go(bench: Bench) -> None:
    """The empty zone z2 is out of the pod's reach: it does not count as emptiest."""
    running(zoned(bench, a="z1", c="z2"), a=1)
    constraint = spread(ZONE, 1, APP)
    selector = {ZONE: "z1"}
    assert bench.fitting(make_pod("p", labels=APP, topologySpreadConstraints=[constraint], nodeSelector=selector)) == [
        "a"
    ]
    constraint["nodeAffinityPolicy"] = "Ignore"
    assert bench.fitting(make_pod("p", labels=APP, topologySpreadConstraints=[constraint], nodeSelector=selector)) == []


async def test_spread_ignores_pods_on_their_way_out(bench: Bench) -> None:
    zoned(bench, a="z1", c="z2")
    going = make_pod("old", node="a", labels=APP)
    going["metadata"]["deletionTimestamp"] = "2026-11-21T03:00:00Z"
    bench.pods(going)
    assert bench.fitting(make_pod("p", labels=APP, topologySpreadConstraints=[spread(ZONE, 1, APP)])) == ["a", "c"]


async def test_spread_by_match_label_keys(bench: Bench) -> None:
    """Pods of the old revision do not count for the new one."""
    zoned(bench, a="z1", c="z2")
    bench.pods(make_pod("old", node="a", labels={**APP, "rev": "1"}))
    constraint = spread(ZONE, 1, APP, matchLabelKeys=["rev"])
    new = make_pod("p", labels={**APP, "rev": "2"}, topologySpreadConstraints=[constraint])
    old = make_pod("q", labels={**APP, "rev": "1"}, topologySpreadConstraints=[constraint])
    assert (bench.fitting(new), bench.fitting(old)) == (["a", "c"], ["c"])


@pytest.mark.parametrize("by", ["service", "replicaset"])
async def test_pods_of_a_workload_spread_by_default(bench: Bench, by: str) -> None:
    zoned(bench, a="z1", b="z1", c="z2", d="z2")
    pod = make_pod("p", labels=APP)
    if by == "service":
        bench.objects(SERVICES, {"metadata": {"name": "s", "namespace": "default"}, "spec": {"selector": APP}})
    else:
        owner = {"kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True, "apiVersion": "apps/v1"}
        pod["metadata"]["ownerReferences"] = [owner]
        meta = {"name": "r", "namespace": "default", "uid": "u"}
        bench.objects(REPLICASETS, {"metadata": meta, "spec": {"selector": {"matchLabels": APP}}})
    running(bench, a=1, b=1, c=1)
    assert bench.where(pod) == "d"


@pytest.mark.parametrize(
    ("terms", "fits"),
    [
        pytest.param(affinity(APP, ZONE), ["a", "b"], id="near-in-zone"),
        pytest.param(affinity(APP, HOST), ["a"], id="near-on-host"),
        pytest.param(anti_affinity(APP, ZONE), ["c", "d"], id="away-from-zone"),
        pytest.param(anti_affinity(APP, HOST), ["b", "c", "d"], id="away-from-host"),
        pytest.param(affinity({"app": "nobody"}, ZONE), [], id="near-nobody"),
        pytest.param(affinity(APP, ZONE, namespaces=["elsewhere"]), [], id="other-namespace"),
        pytest.param(affinity(APP, ZONE, namespaceSelector={}), ["a", "b"], id="all-namespaces"),
        pytest.param(affinity(APP, ZONE, namespaceSelector={"matchLabels": {"team": "t"}}), ["a", "b"], id="team"),
        pytest.param(affinity(APP, ZONE, namespaceSelector={"matchLabels": {"team": "u"}}), [], id="other-team"),
    ],
)
async def test_affinity(bench: Bench, terms: Obj, fits: list[str]) -> None:
    running(zoned(bench, a="z1", b="z1", c="z2", d=""), a=1)
    bench.snapshot.set_namespace("default", {"team": "t"})
    assert bench.fitting(make_pod("p", labels={"app": "me"}, affinity=terms)) == fits


async def test_the_first_of_its_kind_may_go_anywhere_with_the_label(bench: Bench) -> None:
    zoned(bench, a="z1", b="")
    pod = make_pod("p", labels=APP, affinity=affinity(APP, ZONE))
    assert bench.fitting(pod) == ["a"]


async def test_anti_affinity_binds_both_sides(bench: Bench) -> None:
    zoned(bench, a="z1", b="z1", c="z2")
    bench.pods(make_pod("hermit", node="a", labels={"app": "h"}, affinity=anti_affinity(APP, ZONE)))
    assert bench.fitting(make_pod("p", labels=APP)) == ["c"]
    assert bench.fitting(make_pod("q", labels={"app": "y"})) == ["a", "b", "c"]
    bench.snapshot.remove_node("c")
    expected = "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules."
    assert bench.why(make_pod("p", labels=APP)) == expected


def prefers(kind: str, labels: Obj, weight: int = 100) -> Obj:
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": ZONE}
    preferred = [{"weight": weight, "podAffinityTerm": term}]
    return {kind: {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        pytest.param(prefers("podAffinity", APP), {}, "z1", id="wants-near"),
        pytest.param(prefers("podAntiAffinity", APP), {}, "z2", id="wants-away"),
        pytest.param({}, prefers("podAffinity", {"app": "me"}), "z1", id="they-want-near"),
        pytest.param({}, prefers("podAntiAffinity", {"app": "me"}), "z2", id="they-want-away"),
        pytest.param({}, affinity({"app": "me"}, ZONE), "z1", id="they-need-near"),
    ],
)
async def test_preferred_affinity(bench: Bench, mine: Obj, theirs: Obj, expected: str) -> None:
    zoned(bench, a="z1", b="z1", c="z2", d="z2")
    bench.pods(make_pod("old", node="a", labels=APP, affinity=theirs))
    node = bench.where(make_pod("p", labels={"app": "me"}, affinity=mine))
    assert bench.snapshot.nodes[node].labels[ZONE] == expected


def claim(name: str, *, volume: str = "", storage_class: str = "", modes: tuple[str, ...] = ("ReadWriteOnce",)) -> Obj:
    meta: Obj = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    spec: Obj = {"accessModes": [*modes], "resources": {"requests": {"storage": "1Gi"}}}
    spec["storageClassName"] = storage_class
    if volume:
        meta["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
        spec["volumeName"] = volume
    return {"metadata": meta, "spec": spec, "status": {"phase": "Bound" if volume else "Pending"}}


def volume(name: str, *, node: str = "", storage_class: str = "", size: str = "1Gi", labels: Obj | None = None) -> Obj:
    spec: Obj = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": storage_class}
    if node:
        term = {"matchExpressions": [{"key": HOST, "operator": "In", "values": [node]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": {"phase": "Available"}}


def storage_class(name: str, *, wait: bool, provisioner: str = "example.com/disk", **more: Any) -> Obj:
    mode = "WaitForFirstConsumer" if wait else "Immediate"
    return {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode, **more}


def with_claim(name: str, pod: str = "p") -> Obj:
    return make_pod(pod, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": name}}])


@pytest.mark.parametrize(
    ("claims", "volumes", "classes", "fits", "why"),
    [
        pytest.param([], [], [], [], 'persistentvolumeclaim "data" not found', id="no-claim"),
        pytest.param([claim("data", volume="pv")], [volume("pv", node="b")], [], ["b"], "", id="bound"),
        pytest.param(
            [claim("data", volume="pv")],
            [volume("pv", node="z")],
            [],
            [],
            "2 node(s) didn't match PersistentVolume's node affinity",
            id="bound-out-of-reach",
        ),
        pytest.param(
            [claim("data", storage_class="now")],
            [],
            [storage_class("now", wait=False)],
            [],
            "pod has unbound immediate PersistentVolumeClaims",
            id="immediate",
        ),
        pytest.param(
            [claim("data", storage_class="later")],
            [],
            [storage_class("later", wait=True)],
            ["a", "b"],
            "",
            id="dynamic",
        ),
        pytest.param(
            [claim("data", storage_class="local")],
            [volume("pv", node="b", storage_class="local")],
            [storage_class("local", wait=True, provisioner="kubernetes.io/no-provisioner")],
            ["b"],
            "",
            id="local-volume",
        ),
        pytest.param(
            [claim("data", storage_class="local")],
            [volume("pv", node="b", storage_class="local", size="1Mi")],
            [storage_class("local", wait=True, provisioner="kubernetes.io/no-provisioner")],
            [],
            "2 node(s) didn't find available persistent volumes to bind",
            id="too-small",
        ),
        pytest.param(
            [claim("data", volume="pv")],
            [volume("pv", labels={ZONE: "z1"})],
            [],
            ["a"],
            "",
            id="zone",
        ),
    ],
)
async def test_volumes(
    bench: Bench, claims: list[Obj], volumes: list[Obj], classes: list[Obj], fits: list[str], why: str
) -> None:
    zoned(bench, a="z1", b="z2")
    bench.objects(PERSISTENTVOLUMECLAIMS, *claims).objects(PERSISTENTVOLUMES, *volumes)
    bench.objects(STORAGECLASSES, *classes)
    assert bench.fitting(with_claim("data")) == fits
    if why:
        assert why in bench.why(with_claim("data"))


async def test_a_claim_for_one_pod(bench: Bench) -> None:
    zoned(bench, a="z1", b="z2")
    bench.objects(PERSISTENTVOLUMECLAIMS, claim("data", volume="pv", modes=("ReadWriteOncePod",)))
    bench.objects(PERSISTENTVOLUMES, volume("pv"))
    assert bench.fitting(with_claim("data")) == ["a", "b"]
    other = with_claim("data", "old")
    other["spec"]["nodeName"] = "a"
    bench.pods(other)
    assert bench.fitting(with_claim("data")) == []


async def test_a_driver_attaches_only_so_many(bench: Bench) -> None:
    zoned(bench, a="z1", b="z2")
    bench.objects(STORAGECLASSES, storage_class("later", wait=True))
    bench.objects(PERSISTENTVOLUMECLAIMS, claim("one", storage_class="later"), claim("two", storage_class="later"))
    limits = [{"name": "example.com/disk", "nodeID": "a", "allocatable": {"count": 1}}]
    bench.objects(CSINODES, {"metadata": {"name": "a"}, "spec": {"drivers": limits}})
    first = with_claim("one", "first")
    first["spec"]["nodeName"] = "a"
    bench.pods(first)
    assert bench.fitting(with_claim("two")) == ["b"]
