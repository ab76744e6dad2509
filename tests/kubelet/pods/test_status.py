"""Phase and conditions by the states of containers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kubelet.pods.status import pod_status
from kubelet.pods.view import View
from kubelet.runtime.interface import ContainerRecord, PodRecords, SandboxRecord
from kubelet.statuses import difference
from tests.kubelet.pods.test_plan import record, records, sandbox
from tests.kubelet.world import container, pod

Obj = dict[str, Any]

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TWO = [container("a"), container("b")]


def status(obj: Obj, *held: SandboxRecord | ContainerRecord, **view: Any) -> Obj:
    return pod_status(obj, View(records=records(*held), now=NOW, host_ips=("192.0.2.1",), **view))


def condition(found: Obj, kind: str) -> Obj:
    return next(c for c in found["conditions"] if c["type"] == kind)


def a(state: Any = "running", code: int = 0, **more: Any) -> ContainerRecord:
    return record("a", state, code=code, **more)


def b(state: Any = "running", code: int = 0, **more: Any) -> ContainerRecord:
    return record("b", state, code=code, **more)


@pytest.mark.parametrize(
    ("policy", "held", "phase"),
    [
        pytest.param("Always", (), "Pending", id="nothing yet"),
        pytest.param("Always", (a(),), "Pending", id="one of two"),
        pytest.param("Always", (a(), b()), "Running", id="both"),
        pytest.param("Always", (a("exited"), b("exited")), "Running", id="always comes back"),
        pytest.param("Always", (a("exited", 1), b()), "Running", id="one failed"),
        pytest.param("OnFailure", (a("exited"), b("exited")), "Succeeded", id="on failure, succeeded"),
        pytest.param("OnFailure", (a("exited"), b("exited", 1)), "Running", id="on failure, failed"),
        pytest.param("Never", (a("exited"), b("exited")), "Succeeded", id="never, succeeded"),
        pytest.param("Never", (a("exited"), b("exited", 2)), "Failed", id="never, failed"),
        pytest.param("Never", (a("exited", 1), b()), "Running", id="never, one left"),
    ],
)
def test_phase(policy: str, held: tuple[ContainerRecord, ...], phase: str) -> None:
    obj = pod("web", *TWO, restartPolicy=policy)
    assert status(obj, sandbox(), *held)["phase"] == phase


def test_a_phase_that_ended_stays() -> None:
    obj = {**pod("web", *TWO), "status": {"phase": "Failed"}}
    assert status(obj, sandbox(), a(), b())["phase"] == "Failed"


def test_conditions_of_a_running_pod() -> None:
    found = status(pod("web", *TWO), sandbox(), a(), b())
    assert {c["type"]: c["status"] for c in found["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert found["observedGeneration"] == 1


def test_unready_names_its_containers() -> None:
    found = status(pod("web", *TWO), sandbox(), a(), b(), ready=lambda r: r.name == "a")
    assert condition(found, "Ready")["message"] == "containers with unready status: [b]"
    assert condition(found, "Ready")["reason"] == "ContainersNotReady"


def test_readiness_gates() -> None:
    obj = pod("web", *TWO, readinessGates=[{"conditionType": "example.com/gate"}])
    found = status(obj, sandbox(), a(), b())
    assert condition(found, "ContainersReady")["status"] == "True"
    assert condition(found, "Ready")["reason"] == "ReadinessGatesNotReady"
    obj["status"] = {"conditions": [{"type": "example.com/gate", "status": "True"}]}
    assert condition(status(obj, sandbox(), a(), b()), "Ready")["status"] == "True"


def test_times_move_only_with_the_status() -> None:
    before = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    obj = {**pod("web", *TWO), "status": {"conditions": [before]}}
    assert condition(status(obj, sandbox(), a(), b()), "Ready")["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert condition(status(obj, sandbox(), a()), "Ready")["lastTransitionTime"] == "2026-11-21T03:00:00Z"


def test_last_state_is_the_attempt_before() -> None:
    found = status(pod("web", container("a")), sandbox(), a("exited", 4), a(attempt=1))
    shown = found["containerStatuses"][0]
    assert shown["restartCount"] == 1 and list(shown["state"]) == ["running"]
    assert shown["lastState"]["terminated"]["exitCode"] == 4


def test_vanished_container_is_told() -> None:
    old = {
        "name": "a",
        "restartCount": 2,
        "containerID": "docker://x",
        "state": {"running": {"startedAt": "2026-11-21T02:00:00Z"}},
    }
    obj = {**pod("web", container("a")), "status": {"containerStatuses": [old]}}
    shown = status(obj, sandbox())["containerStatuses"][0]
    assert shown["restartCount"] == 2
    assert shown["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert shown["lastState"]["terminated"]["exitCode"] == 137


def test_terminated_reasons_are_never_empty() -> None:
    """Behaviour 56."""
    for made, reason in ((a("exited"), "Completed"), (a("exited", 1), "Error")):
        found = status(pod("web", container("a"), restartPolicy="Never"), sandbox(), made)
        assert found["containerStatuses"][0]["state"]["terminated"]["reason"] == reason


def test_evicted_pod() -> None:
    found = status(pod("web", container("a")), sandbox(), a("exited", 137), rejected=("Evicted", "low"), over=True)
    assert (found["phase"], found["reason"], found["message"]) == ("Failed", "Evicted", "low")
    assert condition(found, "DisruptionTarget")["reason"] == "TerminationByKubelet"


def test_difference_sends_what_changed() -> None:
    before = status(pod("web", *TWO), sandbox(), a())
    after = status({**pod("web", *TWO), "status": before}, sandbox(), a(), b(), ips=("10.0.0.2",))
    patch = difference(before, after)
    assert set(patch) == {"containerStatuses", "phase", "conditions", "podIP", "podIPs"}
    assert {c["type"] for c in patch["conditions"]} == {"Ready", "ContainersReady"}
    ready = next(c for c in patch["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True" and ready["reason"] is None and ready["message"] is None
    assert difference(after, after) == {}


def test_difference_replaces_addresses() -> None:
    patch = difference({"podIP": "1", "podIPs": [{"ip": "1"}]}, {"podIP": "2", "podIPs": [{"ip": "2"}]})
    assert patch["podIPs"] == [{"$patch": "replace"}, {"ip": "2"}]


def test_others_conditions_are_not_written() -> None:
    theirs = {"type": "example.com/x", "status": "True"}
    assert difference({}, {"conditions": [theirs]}) == {}


def test_no_records_at_all() -> None:
    assert status(pod("web"))["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert PodRecords().sandbox() is None
