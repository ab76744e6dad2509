"""Jobs: the plan driven over simulated pods, with caches that lag and pods that vanish; each pod is counted exactly once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.loops.job import indexes
from controller.loops.job.failure_policy import judge
from controller.loops.job.plan import Plan, Record, finished, plan
from controller.loops.job.pods import FINALIZER, INDEX, new_pod
from tests.controller.cluster_objects import NOW, pod, template, uid, workload

Obj = dict[str, Any]


def job(**spec: Any) -> Obj:
    made = template()
    made["spec"]["restartPolicy"] = "Never"
    return workload("job", **{"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": made, **spec})


class World:
    """A server that does as the plan says. Released pods vanish; `lagging` pods still show their finalizer to the plan."""

    def __init__(self, owner: Obj):
        self.owner = owner
        self.pods: dict[str, Obj] = {}
        self.record = Record()
        self.released: set[str] = set()
        self.now = NOW
        self.events: list[str] = []
        self.succeeded = 0  # as the world knows it
        self.most_active = 0

    def step(self, *, stale: dict[str, Obj] | None = None) -> Plan:
        seen = list((stale or self.pods).values())
        fresh = stale is None
        decided = plan(self.owner, seen, released=self.released, record=self.record, now=self.now, fresh=fresh)
        for made in decided.create:
            identity = uid()
            metadata = {**made["metadata"], "name": identity, "uid": identity, "namespace": "default"}
            self.pods[identity] = {**made, "metadata": metadata, "status": {"phase": "Pending"}}
        for found in decided.delete:
            self.delete(found["metadata"]["uid"])
        self.owner = {**self.owner, "status": decided.status}
        self.events += [reason for _, reason, _ in decided.events]
        for found in decided.release:
            identity = found["metadata"]["uid"]
            self.released.add(identity)
            if identity in self.pods:
                self.pods[identity] = without_finalizer(self.pods[identity])
        self.most_active = max(self.most_active, len(self.active()))
        return decided

    def active(self) -> list[str]:
        return [
            u for u, p in self.pods.items()
            if p["status"]["phase"] in ("Pending", "Running") and "deletionTimestamp" not in p["metadata"]
        ]  # fmt: skip

    def end(self, identity: str, phase: str, *, exit_code: int = 1) -> None:
        ended = {"exitCode": exit_code, "finishedAt": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        statuses = [{"name": "c", "restartCount": 0, "state": {"terminated": ended}}]
        self.pods[identity] = {**self.pods[identity], "status": {"phase": phase, "containerStatuses": statuses}}
        self.succeeded += phase == "Succeeded"

    def delete(self, identity: str) -> None:
        found = self.pods[identity]
        metadata = {**found["metadata"], "deletionTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.pods[identity] = {**found, "metadata": metadata}

    def collect(self) -> None:
        """Pods being deleted end, and without finalizer they are gone."""
        for identity, found in list(self.pods.items()):
            if "deletionTimestamp" in found["metadata"]:
                if found["status"]["phase"] in ("Pending", "Running"):
                    self.end(identity, "Failed")
                elif not found["metadata"].get("finalizers"):
                    del self.pods[identity]

    def run(self, phase: str = "Succeeded", *, limit: int = 60) -> None:
        """Until the job is finished, with every pod ending in `phase`."""
        for _ in range(limit):
            self.step()
            if finished(self.owner):
                return
            self.now += timedelta(seconds=700)
            for identity in self.active():
                self.end(identity, phase)
            self.collect()
        raise AssertionError("the job does not end")

    def conditions(self) -> dict[str, str]:
        return {c["type"]: c["reason"] for c in self.owner["status"]["conditions"] if c["status"] == "True"}


def without_finalizer(found: Obj) -> Obj:
    metadata = {
        **found["metadata"],
        "finalizers": [f for f in found["metadata"].get("finalizers", ()) if f != FINALIZER],
    }
    return {**found, "metadata": metadata}


def test_one_pod_succeeds() -> None:
    world = World(job())
    first = world.step()
    assert [p["metadata"]["finalizers"] for p in first.create] == [[FINALIZER]]
    assert first.status["startTime"]
    [identity] = world.pods
    world.end(identity, "Succeeded")
    second = world.step()
    assert second.status["uncountedTerminatedPods"] == {"succeeded": [identity]}
    assert world.conditions() == {"SuccessCriteriaMet": "CompletionsReached"}
    world.step()
    assert world.conditions() == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    status = world.owner["status"]
    assert (status["succeeded"], status["ready"], status["terminating"], status["uncountedTerminatedPods"]) == (
        1,
        0,
        0,
        {},
    )
    assert "active" not in status
    assert status["completionTime"]
    assert world.events == ["Completed"]


@pytest.mark.parametrize(
    ("spec", "phase", "reason", "failed"),
    [
        pytest.param({"backoffLimit": 2}, "Failed", "BackoffLimitExceeded", 3, id="backoff limit"),
        pytest.param({"backoffLimit": 0}, "Failed", "BackoffLimitExceeded", 1, id="no second try"),
        pytest.param({"activeDeadlineSeconds": 30, "backoffLimit": 100}, "Failed", "DeadlineExceeded", 1, id="deadline"),
        pytest.param(
            {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]}},
            "Failed", "PodFailurePolicy", 1, id="failure policy",
        ),
        pytest.param(
            {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1},
            "Failed", "FailedIndexes", 4, id="every index failed",
        ),
        pytest.param(
            {"completionMode": "Indexed", "completions": 5, "backoffLimitPerIndex": 0, "maxFailedIndexes": 1},
            "Failed", "MaxFailedIndexesExceeded", 2, id="too many indexes failed",
        ),
    ],
)  # fmt: skip
def test_a_job_fails(spec: Obj, phase: str, reason: str, failed: int) -> None:
    world = World(job(**spec))
    world.run(phase)
    assert world.conditions() == {"FailureTarget": reason, "Failed": reason}
    assert world.owner["status"]["failed"] == failed
    assert world.events == [reason]
    assert not world.active()


def test_indexed_pods_know_their_index() -> None:
    world = World(job(completionMode="Indexed", completions=3, parallelism=3))
    made = world.step().create
    assert [p["metadata"]["annotations"][INDEX] for p in made] == ["0", "1", "2"]
    assert [p["metadata"]["labels"][INDEX] for p in made] == ["0", "1", "2"]
    assert [p["spec"]["hostname"] for p in made] == ["job-0", "job-1", "job-2"]
    assert made[1]["metadata"]["generateName"] == "job-1-"
    assert made[0]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    world.run()
    assert world.owner["status"]["completedIndexes"] == "0-2"
    assert world.owner["status"]["succeeded"] == 3


def test_success_policy_ends_the_rest() -> None:
    rules = [{"succeededIndexes": "0"}]
    world = World(job(completionMode="Indexed", completions=3, parallelism=3, successPolicy={"rules": rules}))
    world.step()
    world.end(next(iter(world.pods)), "Succeeded")
    world.step()
    assert world.conditions() == {"SuccessCriteriaMet": "SuccessPolicy"}
    assert not world.active()
    for _ in range(4):
        world.collect()
        world.step()
    assert world.conditions()["Complete"] == "SuccessPolicy"
    assert world.owner["status"]["succeeded"] == 1


def test_ignored_failures_do_not_count() -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    world = World(job(backoffLimit=0, podFailurePolicy={"rules": rules}))
    world.step()
    [identity] = world.pods
    world.end(identity, "Failed")
    world.pods[identity]["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    world.step()
    assert "failed" not in world.owner["status"]
    world.pods.pop(identity)
    assert len(world.step().create) == 0
    assert len(world.active()) == 1, "a new pod came at once"


def test_suspend_and_resume() -> None:
    world = World(job(parallelism=2, completions=2))
    world.step()
    world.owner["spec"] = {**world.owner["spec"], "suspend": True}
    world.step()
    assert not world.active()
    assert world.owner["status"].get("startTime") is None
    for _ in range(3):
        world.step()
        world.collect()
    assert "failed" not in world.owner["status"]
    world.owner["spec"] = {**world.owner["spec"], "suspend": False}
    world.run()
    assert world.events == ["Suspended", "Resumed", "Completed"]


def test_a_failed_pod_is_replaced_after_ten_seconds() -> None:
    world = World(job())
    world.step()
    world.end(world.active()[0], "Failed")
    held = world.step()
    assert (held.create, held.again) == ([], 10.0)
    world.now += timedelta(seconds=10)
    assert len(world.step().create) == 1


def test_restarts_in_place_count_too() -> None:
    found = job(backoffLimit=2)
    found["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    running = pod(**new_pod(found, None)["metadata"])
    running["status"]["containerStatuses"] = [{"name": "c", "restartCount": 2}]
    decided = plan(found, [running], released=set(), record=Record(), now=NOW, fresh=True)
    assert decided.delete == [running]
    assert [c["reason"] for c in decided.status["conditions"]] == ["BackoffLimitExceeded"]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_success_counts_once_and_parallelism_holds(data: st.DataObject) -> None:
    """Whatever the order of ends, deletions and stale caches: the job completes with exactly `completions` successes when
    indexed, at least as many otherwise, and never runs more than `parallelism` pods."""
    parallelism, completions = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    indexed = data.draw(st.booleans())
    mode = "Indexed" if indexed else "NonIndexed"
    world = World(job(parallelism=parallelism, completions=completions, completionMode=mode, backoffLimit=1000))
    stale: dict[str, Obj] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        use_stale = bool(stale) and data.draw(st.booleans())
        if not use_stale and data.draw(st.booleans()):  # the manager is restarted: what it only remembered is gone
            world.released, world.record = set(), Record()
        world.step(stale=stale if use_stale else None)
        stale = dict(world.pods)
        for identity in world.active():
            what = data.draw(st.sampled_from(["runs", "Succeeded", "Failed", "deleted"]))
            if what == "deleted":
                world.delete(identity)
            elif what != "runs":
                world.end(identity, what)
        world.collect()
        world.now += timedelta(seconds=700)
    if not finished(world.owner):
        world.run()
    status = world.owner["status"]
    assert world.most_active <= parallelism
    assert status["succeeded"] == world.succeeded if not indexed else status["succeeded"] == completions
    assert status["succeeded"] >= completions
    assert not status["uncountedTerminatedPods"]


@given(st.sets(st.integers(0, 60)))
def test_index_sets_round_trip(found: set[int]) -> None:
    assert indexes.parse(indexes.render(found), 100) == found


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param({0, 1, 2}, "0-2", id="range"),
        pytest.param({1, 3, 4, 5, 7}, "1,3-5,7", id="mixed"),
        pytest.param({0, 1}, "0,1", id="two"),
        pytest.param(set(), "", id="none"),
    ],
)
def test_index_text(found: set[int], text: str) -> None:
    assert indexes.render(found) == text


def test_fail_job_says_why() -> None:
    rules = [{"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [42]}}]
    failed = pod("p", phase="Failed")
    failed["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"exitCode": 42}}}]
    verdict = judge(job(podFailurePolicy={"rules": rules}), failed)
    expected = "Container c for pod default/p failed with exit code 42 matching FailJob rule at index 0"
    assert (verdict.action, verdict.message) == ("FailJob", expected)
