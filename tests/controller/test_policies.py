"""Budgets, quotas, aggregated roles, volumes, autoscaling: the plans of the smaller loops."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.loops import (
    clusterrole_aggregation,
    disruption,
    ephemeral_volume,
    pv_protection,
    pvc_protection,
    resourcequota,
    service_cidr,
    ttl,
)
from controller.loops.horizontalpodautoscaler import behavior, usage
from controller.loops.persistentvolume_binder import plan as volumes
from controller.shares import share
from tests.controller.cluster_objects import NOW, STAMP, pod

Obj = dict[str, Any]


def budget(**spec: Any) -> Obj:
    return {"metadata": {"name": "b", "namespace": "default", "generation": 2}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "healthy", "expected", "allowed"),
    [
        pytest.param({"minAvailable": 2}, 3, 3, 1, id="one may go"),
        pytest.param({"minAvailable": 3}, 3, 3, 0, id="none may go"),
        pytest.param({"minAvailable": "50%"}, 3, 3, 1, id="half, rounded up"),
        pytest.param({"maxUnavailable": 1}, 2, 3, 0, id="one is down already"),
        pytest.param({"maxUnavailable": "34%"}, 3, 3, 2, id="a third, rounded up"),
        pytest.param({"minAvailable": 0}, 0, 0, 0, id="no pods, nothing to disrupt"),
    ],
)
def test_disruptions_allowed(spec: Obj, healthy: int, expected: int, allowed: int) -> None:
    status, _ = disruption.plan(budget(**spec), [pod(ready=True) for _ in range(healthy)], expected, NOW)
    assert (status["disruptionsAllowed"], status["currentHealthy"], status["observedGeneration"]) == (
        allowed,
        healthy,
        2,
    )
    [condition] = status["conditions"]
    assert condition["reason"] == ("SufficientPods" if allowed else "InsufficientPods")


def test_evicted_pods_count_as_gone_for_two_minutes() -> None:
    evicted, other = pod("evicted", ready=True), pod("other", ready=True)
    found = {**budget(minAvailable=1), "status": {"disruptedPods": {"evicted": STAMP, "long gone": STAMP}}}
    status, again = disruption.plan(found, [evicted, other], 2, NOW)
    assert (status["disruptedPods"], status["disruptionsAllowed"], again) == ({"evicted": STAMP}, 0, 120.0)
    status, again = disruption.plan(found, [evicted, other], 2, NOW + timedelta(seconds=121))
    assert ("disruptedPods" in status, status["disruptionsAllowed"], again) == (False, 1, None)


@given(st.integers(0, 10), st.integers(0, 10), st.one_of(st.integers(0, 10), st.sampled_from(["0%", "30%", "100%"])))
def test_a_budget_never_lets_too_many_go(ready: int, unready: int, least: int | str) -> None:
    pods = [pod(ready=True) for _ in range(ready)] + [pod() for _ in range(unready)]
    status, _ = disruption.plan(budget(minAvailable=least), pods, len(pods), NOW)
    assert status["disruptionsAllowed"] == 0 or ready - status["disruptionsAllowed"] >= share(least, len(pods), up=True)


def test_quota_counts_what_is_there() -> None:
    running, done = pod(), pod(phase="Succeeded")
    for found in (running, done):
        found["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "250m", "memory": "64Mi"}}
    hard = {"pods": "5", "cpu": "2", "requests.memory": "1Gi", "services.nodeports": "3", "count/deployments.apps": "4"}
    service = {"metadata": {}, "spec": {"type": "NodePort", "ports": [{}, {}]}}
    deployment: Obj = {"metadata": {}, "spec": {}}
    quota = {"metadata": {"name": "q"}, "spec": {"hard": hard}}
    objects = {"pods": [running, done], "services": [service], "deployments.apps": [deployment]}
    status = resourcequota.plan(quota, objects)
    assert status == {
        "hard": hard,
        "used": {
            "pods": "1", "cpu": "250m", "requests.memory": "64Mi", "services.nodeports": "2", "count/deployments.apps": "1",
        },
    }  # fmt: skip
    assert resourcequota.plan({**quota, "status": status}, objects) is None


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("requests.cpu", "pods"), ("pods", "pods"), ("services.loadbalancers", "services"),
        ("requests.storage", "persistentvolumeclaims"), ("count/jobs.batch", "jobs.batch"), ("secrets", "secrets"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims"),
    ],
)  # fmt: skip
def test_what_a_quota_name_counts(name: str, resource: str) -> None:
    assert resourcequota.counted(name) == resource


def test_aggregated_rules() -> None:
    def role(name: str, labels: Obj, *rules: Obj) -> Obj:
        return {"metadata": {"name": name, "labels": labels}, "rules": list(rules)}

    one, two = {"verbs": ["get"], "resources": ["a"]}, {"verbs": ["get"], "resources": ["b"]}
    whole = {**role("whole", {}), "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"in": "yes"}}]}}
    parts = [role("z", {"in": "yes"}, two), role("a", {"in": "yes"}, one, two), role("other", {}, {"verbs": ["*"]})]
    assert clusterrole_aggregation.plan(whole, [whole, *parts]) == [one, two]
    assert clusterrole_aggregation.plan({**whole, "rules": [one, two]}, parts) is None


# --- volumes


def claim(size: str = "1Gi", **spec: Any) -> Obj:
    metadata = {"name": "c", "namespace": "default", "uid": "c", "annotations": {}}
    return {
        "metadata": metadata,
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def volume(name: str, size: str = "2Gi", **spec: Any) -> Obj:
    body = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], **spec}
    return {"metadata": {"name": name, "labels": {"tier": name}}, "spec": body}


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        pytest.param(claim(), "small", id="the smallest that is large enough"),
        pytest.param(claim("3Gi"), "large", id="larger"),
        pytest.param(claim("1Ti"), None, id="too large"),
        pytest.param(claim(accessModes=["ReadWriteMany"]), None, id="mode"),
        pytest.param(claim(storageClassName="gold"), "gold", id="class"),
        pytest.param(claim(selector={"matchLabels": {"tier": "large"}}), "large", id="labels"),
    ],
)
def test_the_volume_of_a_claim(asked: Obj, chosen: str | None) -> None:
    taken = {"namespace": "default", "name": "other", "uid": "other"}
    found = volumes.choose(
        asked,
        [
            volume("large", "10Gi"),
            volume("small"),
            volume("taken", "1Gi", claimRef=taken),
            volume("gold", storageClassName="gold"),
        ],
    )
    assert (found["metadata"]["name"] if found else None) == chosen


def test_a_bond_has_two_halves() -> None:
    one, other = volumes.bound_volume(volume("v"), claim()), claim()
    assert volumes.refers_to(one, other)
    bound = volumes.bound_claim(other, one)
    assert volumes.is_bound(bound)
    assert volumes.claim_status(bound, one)["phase"] == "Bound"
    assert volumes.claim_status(bound, None)["phase"] == "Lost"
    assert volumes.volume_phase(one, bound) == "Bound"
    assert volumes.volume_phase(one, None) == "Released"
    assert volumes.volume_phase(volume("v"), None) == "Available"


def test_used_claims_and_bound_volumes_stay() -> None:
    user = pod()
    user["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    going = claim()
    going["metadata"] |= {"deletionTimestamp": STAMP, "finalizers": [pvc_protection.FINALIZER]}
    assert pvc_protection.plan(claim(), []) == "add"
    assert pvc_protection.plan(going, [user]) == ""
    assert pvc_protection.plan(going, [{**user, "status": {"phase": "Succeeded"}}]) == "remove"
    held = volume("v")
    held["metadata"] |= {"deletionTimestamp": STAMP, "finalizers": [pv_protection.FINALIZER]}
    assert pv_protection.plan({**held, "status": {"phase": "Bound"}}) is None
    assert pv_protection.plan({**held, "status": {"phase": "Released"}}) == []


def test_ephemeral_volumes_have_claims_of_their_own() -> None:
    found = pod("web")
    wanted = {"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    found["spec"]["volumes"] = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": wanted}}, {"name": "x"}]
    [made] = ephemeral_volume.claims_for(found)
    assert (made["metadata"]["name"], made["metadata"]["labels"]) == ("web-scratch", {"a": "b"})
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Pod"


@pytest.mark.parametrize(
    ("current", "nodes", "expected"), [(0, 100, 0), (0, 101, 1), (1, 95, 1), (1, 89, 0), (0, 5000, 4)]
)
def test_node_ttl_steps(current: int, nodes: int, expected: int) -> None:
    assert ttl.step(current, nodes) == expected


# --- autoscaling


def measured(count: int, request: str = "100m") -> list[Obj]:
    pods = []
    for number in range(count):
        found = pod(f"p{number}", ready=True, since="2026-11-20T00:00:00Z")
        found["status"]["startTime"] = "2026-11-20T00:00:00Z"
        found["spec"]["containers"][0]["resources"] = {"requests": {"cpu": request}}
        pods.append(found)
    return pods


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param([100, 100], 4, id="twice the target"),
        pytest.param([50, 50], 2, id="on target"),
        pytest.param([53, 53], 2, id="within tolerance"),
        pytest.param([10, 10], 1, id="a fifth"),
        pytest.param([100], 2, id="a pod without metrics does not scale up"),
        pytest.param([10], 2, id="nor down"),
    ],
)
def test_proposals(used: list[int], expected: int) -> None:
    pods = measured(2)
    found = usage.propose(
        pods,
        {f"p{n}": u for n, u in enumerate(used)},
        current=2,
        resource="cpu",
        percent=50,
        settings=usage.Settings(),
        now=NOW,
    )
    assert found.replicas == expected


def test_without_metrics_nothing_is_proposed() -> None:
    with pytest.raises(usage.NoMetrics):
        usage.propose(measured(2), {}, current=2, resource="cpu", percent=50, settings=usage.Settings(), now=NOW)


def autoscaler(**spec: Any) -> Obj:
    return {"spec": {"minReplicas": 1, "maxReplicas": 10, **spec}}


def test_scaling_down_waits_for_the_window() -> None:
    memory = behavior.Memory()
    for now, proposal, expected in ((0.0, 8, 8), (15.0, 2, 8), (299.0, 2, 8), (301.0, 2, 2)):
        found = behavior.decide(autoscaler(), memory, current=8, proposal=proposal, stabilization=300.0, now=now)
        assert found.replicas == expected


def test_scaling_up_is_limited_by_policies_and_bounds() -> None:
    def step(current: int, proposal: int, **spec: Any) -> int:
        memory = behavior.Memory()
        return behavior.decide(
            autoscaler(**spec), memory, current=current, proposal=proposal, stabilization=300.0, now=0.0
        ).replicas

    assert step(1, 9) == 5, "four pods in 15 s"
    assert step(5, 100) == 10
    assert step(1, 9, behavior={"scaleUp": {"selectPolicy": "Disabled"}}) == 1
    assert step(3, 3, minReplicas=4) == 4


@given(
    current=st.integers(1, 50),
    proposals=st.lists(st.integers(0, 100), min_size=1, max_size=20),
    least=st.integers(1, 10),
    more=st.integers(0, 50),
)
def test_the_scale_stays_within_its_bounds(current: int, proposals: list[int], least: int, more: int) -> None:
    memory, found = behavior.Memory(), autoscaler(minReplicas=least, maxReplicas=least + more)
    for step, proposal in enumerate(proposals):
        now = step * 15.0
        decided = behavior.decide(
            found, memory, current=current, proposal=proposal, stabilization=60.0, now=now
        ).replicas
        assert least <= decided <= least + more
        if decided != current:
            memory.changes.append((now, decided - current))
        current = decided


# --- service ranges


def service_range(name: str, cidr: str, **metadata: Any) -> Obj:
    return {"metadata": {"name": name, **metadata}, "spec": {"cidrs": [cidr]}}


@pytest.mark.parametrize(
    ("others", "used", "needed"),
    [
        pytest.param([], ["10.96.0.1"], True, id="in use"),
        pytest.param([], ["10.200.0.1"], False, id="in use elsewhere"),
        pytest.param([service_range("wider", "10.0.0.0/8")], ["10.96.0.1"], False, id="another range has it too"),
        pytest.param(
            [service_range("going", "10.0.0.0/8", deletionTimestamp=STAMP)], ["10.96.0.1"], True, id="one that goes too"
        ),
    ],
)
def test_a_service_range_stays_while_it_is_needed(others: list[Obj], used: list[str], needed: bool) -> None:
    going = service_range("main", "10.96.0.0/16", deletionTimestamp=STAMP, finalizers=[service_cidr.FINALIZER])
    finalizers, status = service_cidr.plan(going, [going, *others], used, STAMP)
    assert finalizers == (None if needed else [])
    assert (status is not None) == needed
    fresh = service_range("main", "10.96.0.0/16")
    finalizers, status = service_cidr.plan(fresh, [fresh], used, STAMP)
    assert finalizers == [service_cidr.FINALIZER]
    assert status is not None
    assert status["conditions"][0]["status"] == "True"
