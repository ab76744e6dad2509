"""What all loops stand on: flags, the choice of loops, reconciling, expectations, ownership, discovery."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import discovery
from controller.conditions import with_condition, without
from controller.expectations import TIMEOUT_SECONDS, Expectations
from controller.manager import UnknownController, chosen, known
from controller.options import duration, parse
from controller.ownership import plan_claims, selects_own
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import from_label_selector
from pocketkube.base.clock import FakeClock, SystemClock
from tests.controller.cluster_objects import owned_by, pod, template, workload

Obj = dict[str, Any]

LOOPS = {
    "bootstrap-signer-controller",
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "certificatesigningrequest-signing-controller",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "ephemeral-node-controller",
    "ephemeral-volume-controller",
    "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
    "job-controller",
    "kubelet-serving-approving-controller",
    "namespace-controller",
    "node-ipam-controller",
    "node-lifecycle-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "service-cidr-controller",
    "serviceaccount-controller",
    "serviceaccount-secret-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "token-cleaner-controller",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
}


def test_every_loop_is_found() -> None:
    assert known().keys() == LOOPS


@pytest.mark.parametrize(
    ("wanted", "has", "lacks"),
    [
        pytest.param(["*"], "deployment-controller", "token-cleaner-controller", id="all by default"),
        pytest.param(["*", "tokencleaner"], "token-cleaner-controller", "", id="one more, by its old name"),
        pytest.param(["*", "-deployment"], "job-controller", "deployment-controller", id="one less"),
        pytest.param(["job-controller"], "job-controller", "deployment-controller", id="only one"),
    ],
)
def test_choice_of_loops(wanted: list[str], has: str, lacks: str) -> None:
    names = {c.name for c in chosen(wanted, known())}
    assert has in names
    assert lacks not in names


def test_an_unknown_loop_is_named() -> None:
    with pytest.raises(UnknownController, match='"nonsense" is not in the list of known controllers'):
        chosen(["*", "-nonsense"], known())


def test_flags_are_upstreams() -> None:
    found = parse(
        ["--kubeconfig=/k", "--leader-elect=false", "--use-service-account-credentials", "--node-monitor-grace-period=1m30s",
         "--controllers=*,bootstrapsigner", "--concurrent-gc-syncs=3", "--node-eviction-rate=0.5"]
    )  # fmt: skip
    assert (found.kubeconfig, found.leader_elect, found.use_service_account_credentials) == ("/k", False, True)
    assert (found.node_monitor_grace_period, found.concurrent_gc_syncs, found.node_eviction_rate) == (90.0, 3, 0.5)
    assert found.controllers == ("*", "bootstrapsigner")


@pytest.mark.parametrize("argument", ["--no-such-flag", "--leader-elect=maybe", "--node-monitor-period=soon"])
def test_wrong_flags_end_with_a_line(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([argument])
    assert argument.split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("40s", 40), ("1h0m5s", 3605), ("1.5s", 1.5), ("250ms", 0.25)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


# --- reconciling


async def test_a_failed_key_comes_back_later_and_later() -> None:
    clock, tries = FakeClock(), asyncio.Queue[float]()
    failures = [errors.Conflict("stale"), errors.InternalError("down"), ValueError("a bug")]

    async def reconcile(key: str) -> float | None:
        tries.put_nowait(clock.monotonic())
        if failures:
            raise failures.pop(0)
        return None

    work = Reconciler("test", reconcile, clock=clock, workers=2)
    work.add("a")
    task = asyncio.create_task(work.run())
    start = await tries.get()
    for wait in (0.005, 0.01, 0.02):
        while not clock.sleepers:  # noqa: ASYNC110 (the worker runs on until it sleeps)
            await asyncio.sleep(0)
        clock.advance(wait)
        assert await tries.get() - start == pytest.approx(wait)
        start = clock.monotonic()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_key_is_never_worked_on_twice_at_once() -> None:
    running: set[str] = set()
    done = asyncio.Event()
    count = 0

    async def reconcile(key: str) -> float | None:
        nonlocal count
        assert key not in running
        running.add(key)
        await asyncio.sleep(0)
        running.discard(key)
        count += 1
        if count == 40:
            done.set()
        work.add(key)
        return None

    work = Reconciler("test", reconcile, clock=SystemClock(), workers=5)
    for key in "abc":
        work.add(key)
    task = asyncio.create_task(work.run())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --- expectations


def test_creations_are_awaited_then_forgotten() -> None:
    clock = FakeClock()
    expected = Expectations(clock)
    assert expected.satisfied("a")
    expected.expect_creations("a", 2)
    expected.creation_observed("a")
    assert not expected.satisfied("a")
    expected.creation_observed("a")
    assert expected.satisfied("a")
    expected.expect_creations("a", 1)
    clock.advance(TIMEOUT_SECONDS + 1)
    assert expected.satisfied("a"), "what is never seen must not block for ever"


def test_deletions_are_told_apart_by_uid() -> None:
    expected = Expectations(FakeClock())
    expected.expect_deletions("a", ["x", "y"])
    expected.deletion_observed("a", "x")
    expected.deletion_observed("a", "x")
    assert not expected.satisfied("a")
    expected.deletion_observed("a", "y")
    assert expected.satisfied("a")


@given(st.lists(st.sampled_from(["expect", "observe"]), max_size=30))
def test_expectations_are_met_by_as_many_events(steps: list[str]) -> None:
    expected, open_ = Expectations(FakeClock()), 0
    for step in steps:
        if step == "expect":
            expected.expect_creations("a", 1)
            open_ = max(open_, 0) + 1
        else:
            expected.creation_observed("a")
            open_ -= 1
        assert expected.satisfied("a") == (open_ <= 0)


# --- ownership

SELECTOR = from_label_selector({"matchLabels": {"app": "web"}})


@pytest.mark.parametrize(
    ("candidate", "owner_deleting", "verdict"),
    [
        pytest.param(pod(), False, "adopt", id="a matching orphan"),
        pytest.param(pod(), True, "", id="not by an owner that goes"),
        pytest.param(pod(deleting=True), False, "", id="not one that goes itself"),
        pytest.param(pod(labels={"app": "other"}), False, "", id="not another's orphan"),
        pytest.param(pod(ownerReferences=owned_by(workload(), "ReplicaSet")), False, "owned", id="owned"),
        pytest.param(
            pod(labels={}, ownerReferences=owned_by(workload(), "ReplicaSet")), False, "release", id="relabelled"
        ),
        pytest.param(
            pod(ownerReferences=owned_by(workload("other"), "ReplicaSet")),
            False,
            "",
            id="another owner's, though it matches",
        ),
    ],
)
def test_claims(candidate: Obj, owner_deleting: bool, verdict: str) -> None:
    owner = workload()
    if owner_deleting:
        owner["metadata"]["deletionTimestamp"] = "2026-11-21T03:00:00Z"
    found = plan_claims(owner, SELECTOR, [candidate])
    assert [n for n in ("owned", "adopt", "release") if getattr(found, n)] == ([verdict] if verdict else [])


def test_an_owner_that_would_not_know_its_children_makes_none() -> None:
    assert selects_own(SELECTOR, template())
    assert not selects_own(SELECTOR, template(app="other"))
    assert not selects_own(from_label_selector(None), template())
    assert not selects_own(from_label_selector({}), template())


# --- conditions


def test_conditions_change_their_time_only_with_their_status() -> None:
    first = with_condition([], {"type": "A", "status": "True", "reason": "x"}, now="1")
    assert with_condition(first, {"type": "A", "status": "True", "reason": "x", "message": "m"}, now="2") == first
    [same] = with_condition(first, {"type": "A", "status": "True", "reason": "y"}, now="2")
    assert (same["reason"], same["lastTransitionTime"]) == ("y", "1")
    [other] = with_condition(first, {"type": "A", "status": "False", "reason": "y"}, now="2")
    assert other["lastTransitionTime"] == "2"
    assert without(first, "A") == []


# --- discovery


def test_aggregated_discovery() -> None:
    def version(name: str, *plurals: str, freshness: str = "Current") -> Obj:
        kinds = [
            {"resource": p, "responseKind": {"kind": p.title()}, "scope": "Namespaced", "verbs": ["list", "delete"]}
            for p in plurals
        ]
        return {"version": name, "resources": kinds, "freshness": freshness}

    groups: list[Obj] = [
        {"metadata": {}, "versions": [version("v1", "pods")]},
        {"metadata": {"name": "x.io"}, "versions": [version("v2", "things"), version("v1", "things", "olds")]},
        {"metadata": {"name": "gone.io"}, "versions": [version("v1", "ghosts", freshness="Stale")]},
    ]
    found = discovery.parse(groups)
    assert [(s.resource.group, s.resource.version, s.resource.plural) for s in found.served] == [
        ("", "v1", "pods"),
        ("x.io", "v2", "things"),
        ("x.io", "v1", "olds"),
    ]
    assert found.failed == ("gone.io/v1",)
    assert found.by_kind()[("x.io", "Things")].version == "v2"
    assert found.served[0].can("list", "delete") and not found.served[0].can("watch")
