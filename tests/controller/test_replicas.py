"""How many pods a replica set creates and which it deletes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.pods import crowd_by_node, deletion_order, is_active
from controller.replicas import BURST, plan, status_of
from tests.controller.cluster_objects import NOW, pod, workload

Obj = dict[str, Any]


@pytest.mark.parametrize(
    ("replicas", "pods", "create", "delete"),
    [
        pytest.param(3, [], 3, 0, id="none yet"),
        pytest.param(3, [pod()], 2, 0, id="some missing"),
        pytest.param(1, [pod()], 0, 0, id="satisfied"),
        pytest.param(1, [pod(phase="Failed")], 1, 0, id="a failed pod does not count"),
        pytest.param(1, [pod(deleting=True)], 1, 0, id="nor does one being deleted"),
        pytest.param(0, [pod(), pod()], 0, 2, id="scaled to zero"),
        pytest.param(2000, [], BURST, 0, id="no more than a burst"),
    ],
)
def test_plan(replicas: int, pods: list[Obj], create: int, delete: int) -> None:
    decided = plan(workload(replicas=replicas), pods, pods, NOW)
    assert (decided.create, len(decided.delete)) == (create, delete)


YOUNG, OLD = "2026-11-21T02:59:50Z", "2026-11-20T03:00:00Z"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pod(node=""), pod(), id="unassigned before assigned"),
        pytest.param(pod(phase="Pending"), pod(), id="pending before running"),
        pytest.param(pod(), pod(ready=True), id="unready before ready"),
        pytest.param(
            pod(annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}), pod(ready=False), id="cheap first"
        ),
        pytest.param(pod(ready=True, since=YOUNG), pod(ready=True, since=OLD), id="ready for shorter first"),
        pytest.param(pod(since=YOUNG), pod(since=OLD), id="younger first"),
    ],
)
def test_deletion_order(first: Obj, second: Obj) -> None:
    for pods in ([first, second], [second, first]):
        assert deletion_order(pods, {}, NOW)[0] is first


def test_the_crowded_node_loses_one_first() -> None:
    alone, one, two = pod(node="a", ready=True), pod(node="b", ready=True), pod(node="b", ready=True)
    assert deletion_order([alone, one, two], crowd_by_node([alone, one, two]), NOW)[-1] is alone


@given(
    replicas=st.integers(0, 20),
    states=st.lists(
        st.tuples(st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]), st.booleans(), st.booleans()),
        max_size=20,
    ),
)
def test_the_plan_always_ends_at_the_wanted_number(replicas: int, states: list[tuple[str, bool, bool]]) -> None:
    pods = [pod(phase=phase, ready=ready, deleting=deleting) for phase, ready, deleting in states]
    decided = plan(workload(replicas=replicas), pods, pods, NOW)
    active = [p for p in pods if is_active(p)]
    assert not (decided.create and decided.delete)
    assert all(p in active for p in decided.delete)
    assert len(active) + decided.create - len(decided.delete) == replicas


def test_status_counts_availability_by_min_ready_seconds_and_keeps_foreign_conditions() -> None:
    theirs = {"type": "Custom", "status": "True"}
    owner = workload(replicas=3, minReadySeconds=30, status={"replicas": 0, "conditions": [theirs]})
    status = status_of(owner, [pod(ready=True, since=OLD), pod(ready=True, since=YOUNG), pod()], None, 0, NOW)
    assert status == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "observedGeneration": 1,
        "conditions": [theirs],
    }


def test_a_refused_create_is_a_condition_until_it_works() -> None:
    owner = workload(replicas=1)
    failed = status_of(owner, [], RuntimeError("exceeded quota"), 1, NOW)
    assert [(c["type"], c["reason"], c["message"]) for c in failed["conditions"]] == [
        ("ReplicaFailure", "FailedCreate", "exceeded quota")
    ]
    assert not status_of({**owner, "status": failed}, [pod()], None, 0, NOW).get("conditions")
