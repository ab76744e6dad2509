"""EndpointSlices: what a service's pods become, and that few writes reach it from any state."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.loops import endpoints, endpointslice
from controller.slices import Form, Plan, Ports, ports_of
from controller.slices import plan as plan_slices
from tests.controller.cluster_objects import pod

Obj = dict[str, Any]


def service(**spec: Any) -> Obj:
    body: Obj = {
        "clusterIP": "10.96.0.9",
        "ipFamilies": ["IPv4"],
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
    }
    metadata = {"name": "web", "namespace": "default", "uid": "s", "labels": {"tier": "front"}}
    return {"metadata": metadata, "spec": {**body, **spec}}


def slices(found: Obj, pods: list[Obj]) -> list[Obj]:
    return list(endpointslice.plan(found, pods, {"node-1": "z1"}, []).create)


def test_a_ready_pod_is_an_endpoint() -> None:
    [made] = slices(service(), [pod("web-1", ready=True, ip="10.1.0.5")])
    assert made["metadata"]["labels"] == {
        "tier": "front",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert made["metadata"]["generateName"] == "web-"
    assert made["addressType"] == "IPv4"
    assert made["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    [endpoint] = made["endpoints"]
    assert endpoint["addresses"] == ["10.1.0.5"]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert (endpoint["nodeName"], endpoint["zone"], endpoint["targetRef"]["name"]) == ("node-1", "z1", "web-1")


@pytest.mark.parametrize(
    ("found", "spec", "conditions"),
    [
        pytest.param(pod(ip="10.0.0.1"), {}, (False, False, False), id="not ready"),
        pytest.param(pod(ip="10.0.0.1", ready=True, deleting=True), {}, (False, True, True), id="terminating, serving"),
        pytest.param(
            pod(ip="10.0.0.1"), {"publishNotReadyAddresses": True}, (True, False, False), id="published anyway"
        ),
    ],
)
def test_conditions(found: Obj, spec: Obj, conditions: tuple[bool, bool, bool]) -> None:
    [made] = slices(service(**spec), [found])
    [endpoint] = made["endpoints"]
    assert tuple(endpoint["conditions"].values()) == conditions


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(pod(), id="no address yet"),
        pytest.param(pod(ip="10.0.0.1", phase="Failed"), id="failed"),
        pytest.param(pod(ip="10.0.0.1", phase="Succeeded"), id="done"),
    ],
)
def test_pods_that_are_no_endpoints_leave_an_empty_slice(found: Obj) -> None:
    [made] = slices(service(), [found])
    assert (made["endpoints"], made["ports"]) == ([], [])


def test_named_target_ports_differ_by_pod() -> None:
    one, two = pod(ready=True, ip="10.0.0.1"), pod(ready=True, ip="10.0.0.2")
    for found, number in ((one, 8080), (two, 9090)):
        found["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": number, "protocol": "TCP"}]
    made = slices(service(ports=[{"port": 80, "targetPort": "web", "protocol": "TCP"}]), [one, two])
    assert sorted((s["ports"][0]["name"], s["ports"][0]["port"]) for s in made) == [("", 8080), ("", 9090)]


def test_headless_hostnames_and_both_families() -> None:
    found = pod(ready=True, ip="10.0.0.1")
    found["spec"] |= {"hostname": "one", "subdomain": "web"}
    found["status"]["podIPs"].append({"ip": "fd00::1"})
    made = slices(service(clusterIP="None", ipFamilies=["IPv4", "IPv6"]), [found])
    assert [(s["addressType"], s["endpoints"][0]["addresses"], s["endpoints"][0]["hostname"]) for s in made] == [
        ("IPv4", ["10.0.0.1"], "one"),
        ("IPv6", ["fd00::1"], "one"),
    ]
    assert all(s["metadata"]["labels"]["service.kubernetes.io/headless"] == "" for s in made)


# --- packing

PORTS: Ports = (("", 80, "TCP", None),)


def endpoint(number: int, *, ready: bool = True) -> Obj:
    return {"addresses": [f"10.0.0.{number}"], "conditions": {"ready": ready}}


def form(most: int) -> Form:
    return Form("web-", "default", {"a": "b"}, {}, {"uid": "s"}, most)


def applied(existing: list[Obj], decided: Plan) -> list[Obj]:
    """The slices after a plan was carried out."""
    gone = {s["metadata"]["name"] for s in decided.delete}
    changed = {s["metadata"]["name"]: s for s in decided.update}
    assert not gone & changed.keys()
    kept = [changed.get(s["metadata"]["name"], s) for s in existing if s["metadata"]["name"] not in gone]
    names = iter(range(len(existing), 1000))
    fresh = [
        {**s, "metadata": {**s["metadata"], "name": f"s-{len(gone)}-{next(names)}-{id(s)}"}} for s in decided.create
    ]
    return kept + fresh


@settings(max_examples=200)
@given(
    most=st.integers(1, 5),
    states=st.lists(st.dictionaries(st.integers(1, 25), st.booleans(), max_size=25), min_size=1, max_size=6),
)
def test_any_sequence_of_endpoints_is_published_exactly(most: int, states: list[dict[int, bool]]) -> None:
    existing: list[Obj] = []
    for state in states:
        wanted = [endpoint(n, ready=ready) for n, ready in state.items()]
        desired: dict[tuple[str, Ports], list[Obj]] = {("IPv4", PORTS if wanted else ()): wanted}
        existing = applied(existing, plan_slices(form(most), desired, existing))
        published = [e for s in existing for e in s["endpoints"]]
        assert sorted(e["addresses"][0] for e in published) == sorted(e["addresses"][0] for e in wanted)
        assert all(e in wanted for e in published)
        assert all(len(s["endpoints"]) <= most for s in existing)
        assert existing, "an empty service still has a slice"
        assert all(s["endpoints"] for s in existing) or len(existing) == 1
        assert plan_slices(form(most), desired, existing) == Plan(), "a second pass has nothing to do"


def test_a_change_of_one_endpoint_writes_one_slice() -> None:
    first = applied([], plan_slices(form(2), {("IPv4", PORTS): [endpoint(n) for n in range(1, 7)]}, []))
    changed = [endpoint(n, ready=n != 3) for n in range(1, 7)]
    decided = plan_slices(form(2), {("IPv4", PORTS): changed}, first)
    assert (len(decided.create), len(decided.update), len(decided.delete)) == (0, 1, 0)


def test_slices_of_other_ports_are_reused() -> None:
    first = applied([], plan_slices(form(100), {("IPv4", PORTS): [endpoint(1)]}, []))
    other: Ports = (("", 81, "TCP", None),)
    decided = plan_slices(form(100), {("IPv4", other): [endpoint(1)]}, first)
    assert not decided.create and not decided.delete
    assert ports_of(decided.update[0]) == other


# --- the older object


def test_endpoints_group_addresses_by_ports() -> None:
    pods = [pod("a", ready=True, ip="10.0.0.2"), pod("b", ready=True, ip="10.0.0.1"), pod("c", ip="10.0.0.3")]
    made = endpoints.plan(service(), pods, None)
    assert made is not None
    [subset] = made["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.0.0.1", "10.0.0.2"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.0.0.3"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    stored = {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}}
    assert endpoints.plan(service(), pods, stored) is None


def test_endpoints_of_a_terminating_pod_go() -> None:
    made = endpoints.plan(service(), [pod(ready=True, ip="10.0.0.1", deleting=True)], None)
    assert made is not None
    assert "subsets" not in made
