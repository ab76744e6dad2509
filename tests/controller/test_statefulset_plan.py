"""StatefulSets: driven over simulated pods; order, partition and one-at-a-time hold at every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import revisions as history
from controller.loops.statefulset import claims
from controller.loops.statefulset.identity import new_claims, new_pod, ordinal_of, revision_of
from controller.loops.statefulset.plan import Plan, plan
from controller.pods import is_ready
from pocketkube.client.resources import STATEFULSETS
from tests.controller.cluster_objects import NOW, STAMP, template, uid, workload

Obj = dict[str, Any]


def stateful_set(replicas: int = 3, **spec: Any) -> Obj:
    return workload("db", **{"replicas": replicas, "serviceName": "db", **spec})


def claim_template(name: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}


class World:
    """Pods appear as created, become ready when told, and go when deleted."""

    def __init__(self, owner: Obj):
        self.owner = owner
        self.pods: dict[str, Obj] = {}
        self.revisions: list[Obj] = []

    def step(self) -> Plan:
        current = (self.owner.get("status") or {}).get("currentRevision", "")
        found = history.plan(
            self.owner, STATEFULSETS, self.revisions, current=current, labels={}, hash_label=history.SET_HASH_LABEL
        )
        if found.create is not None:
            metadata = {**found.create["metadata"], "uid": uid(), "creationTimestamp": STAMP}
            self.revisions.append({**found.create, "metadata": metadata})
        if found.renumber is not None:
            name = found.renumber["metadata"]["name"]
            self.revisions = [r for r in self.revisions if r["metadata"]["name"] != name] + [found.renumber]
        decided = plan(self.owner, list(self.pods.values()), found, NOW)
        for _, made in decided.create:
            name = made["metadata"]["name"]
            assert name not in self.pods
            metadata = {**made["metadata"], "uid": uid(), "creationTimestamp": STAMP}
            self.pods[name] = {**made, "metadata": metadata, "status": {"phase": "Pending"}}
        for doomed, _ in decided.delete:
            name = doomed["metadata"]["name"]
            metadata = {**self.pods[name]["metadata"], "deletionTimestamp": STAMP}
            self.pods[name] = {**self.pods[name], "metadata": metadata}
        self.owner = {**self.owner, "status": decided.status}
        return decided

    def ready(self, name: str, ready: bool = True, phase: str = "Running") -> None:
        conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": STAMP}]
        self.pods[name] = {**self.pods[name], "status": {"phase": phase, "conditions": conditions}}

    def collect(self) -> None:
        self.pods = {n: p for n, p in self.pods.items() if "deletionTimestamp" not in p["metadata"]}

    def settle(self) -> list[list[str]]:
        """Steps until nothing changes, every pod getting ready at once; the pods created in each step."""
        created = []
        for _ in range(100):
            before = dict(self.pods), self.owner["status"]
            created.append([p["metadata"]["name"] for _, p in self.step().create])
            self.collect()
            for name in self.pods:
                self.ready(name)
            if (self.pods, self.owner["status"]) == before:
                return [c for c in created if c]
        raise AssertionError("the set does not settle")

    def roll(self, image: str) -> None:
        new = {**template(), "spec": {"containers": [{"name": "c", "image": image}]}}
        self.owner = {**self.owner, "spec": {**self.owner["spec"], "template": new}}

    def resize(self, replicas: int) -> None:
        self.owner = {**self.owner, "spec": {**self.owner["spec"], "replicas": replicas}}

    def images(self) -> dict[str, str]:
        return {n: p["spec"]["containers"][0]["image"] for n, p in sorted(self.pods.items())}


@pytest.mark.parametrize(
    ("spec", "created"),
    [
        pytest.param({}, [["db-0"], ["db-1"], ["db-2"]], id="one after another"),
        pytest.param({"podManagementPolicy": "Parallel"}, [["db-0", "db-1", "db-2"]], id="all at once"),
        pytest.param({"ordinals": {"start": 5}}, [["db-5"], ["db-6"], ["db-7"]], id="from another number"),
    ],
)
def test_creation(spec: Obj, created: list[list[str]]) -> None:
    world = World(stateful_set(**spec))
    assert world.settle() == created
    status = world.owner["status"]
    assert (status["replicas"], status["readyReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert status["currentRevision"] == status["updateRevision"]


def test_a_pod_has_its_name_labels_and_claims() -> None:
    owner = stateful_set(volumeClaimTemplates=[claim_template("data")])
    made = new_pod(owner, template(), "db-abc", 2)
    assert made["metadata"]["name"] == made["spec"]["hostname"] == "db-2"
    assert made["spec"]["subdomain"] == "db"
    assert made["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "2"
    assert made["metadata"]["labels"]["controller-revision-hash"] == "db-abc"
    assert made["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-2"}}]
    [claim] = new_claims(owner, 2)
    assert (claim["metadata"]["name"], claim["metadata"]["labels"]) == ("data-db-2", {"app": "web"})


def test_scaling_down_goes_from_the_top_and_stops_at_an_unhealthy_pod() -> None:
    world = World(stateful_set())
    world.settle()
    world.resize(1)
    assert [p["metadata"]["name"] for p, _ in world.step().delete] == ["db-2"]
    assert world.step().delete == []
    world.collect()
    world.ready("db-0", False)
    assert world.step().delete == []
    world.ready("db-0")
    assert [p["metadata"]["name"] for p, _ in world.step().delete] == ["db-1"]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_finished_pod_comes_back_under_its_name(phase: str) -> None:
    world = World(stateful_set())
    world.settle()
    world.ready("db-1", False, phase)
    [(doomed, reason)] = world.step().delete
    assert doomed["metadata"]["name"] == "db-1"
    assert reason == ("RecreatingFailedPod" if phase == "Failed" else "RecreatingTerminatedPod")
    world.collect()
    assert [o for o, _ in world.step().create] == [1]


def test_a_partition_keeps_the_lower_pods() -> None:
    world = World(stateful_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}))
    world.settle()
    world.roll("new")
    world.settle()
    assert world.images() == {"db-0": "a", "db-1": "a", "db-2": "new"}
    status = world.owner["status"]
    assert status["currentRevision"] != status["updateRevision"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
    del world.pods["db-0"]
    world.settle()
    assert world.images()["db-0"] == "a", "a lost pod below the partition comes back as it was"


def test_on_delete_changes_nothing_by_itself() -> None:
    world = World(stateful_set(updateStrategy={"type": "OnDelete"}))
    world.settle()
    world.roll("new")
    world.settle()
    assert set(world.images().values()) == {"a"}
    del world.pods["db-1"]
    world.settle()
    assert world.images() == {"db-0": "a", "db-1": "new", "db-2": "a"}


def test_a_rollback_reuses_the_old_revision() -> None:
    world = World(stateful_set())
    world.settle()
    first = world.owner["status"]["updateRevision"]
    world.roll("b")
    world.settle()
    world.roll("a")
    world.settle()
    assert world.owner["status"]["updateRevision"] == first
    assert sorted(r["revision"] for r in world.revisions) == [2, 3]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_ordered_sets_change_one_pod_at_a_time(data: st.DataObject) -> None:
    """Whatever happens to pods: a pod is only created when all below it are ready, only one is touched a step, and once
    left alone the set reaches its template and size."""
    world = World(stateful_set(data.draw(st.integers(0, 4))))
    for _ in range(data.draw(st.integers(1, 10))):
        match data.draw(st.sampled_from(["roll", "resize", "kill", "unready", "finish"])):
            case "roll":
                world.roll(data.draw(st.sampled_from("xyz")))
            case "resize":
                world.resize(data.draw(st.integers(0, 4)))
            case "kill" if world.pods:
                del world.pods[data.draw(st.sampled_from(sorted(world.pods)))]
            case "unready" if world.pods:
                world.ready(data.draw(st.sampled_from(sorted(world.pods))), False)
            case "finish" if world.pods:
                world.ready(data.draw(st.sampled_from(sorted(world.pods))), False, "Failed")
        before = dict(world.pods)
        decided = world.step()
        assert len(decided.create) + len(decided.delete) <= 1
        for ordinal, _ in decided.create:
            below = [f"db-{i}" for i in range(ordinal)]
            assert all(is_ready(before[b]) and "deletionTimestamp" not in before[b]["metadata"] for b in below)
        if data.draw(st.booleans()):
            world.collect()
        for name in world.pods:
            if data.draw(st.booleans()) and world.pods[name]["status"]["phase"] != "Failed":
                world.ready(name)
    world.settle()
    wanted = world.owner["spec"]["replicas"]
    assert sorted(world.pods) == [f"db-{i}" for i in range(wanted)]
    update = world.owner["status"]["updateRevision"]
    assert all(revision_of(p) == update for p in world.pods.values())


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [("db-0", 0), ("db-12", 12), ("db", None), ("other-1", None), ("db-x", None), ("my-db-1", None)],
)
def test_ordinals(name: str, ordinal: int | None) -> None:
    assert ordinal_of(stateful_set(), {"metadata": {"name": name}}) == ordinal


@pytest.mark.parametrize(
    ("policy", "condemned", "kinds"),
    [
        pytest.param({}, False, None, id="retained"),
        pytest.param({"whenDeleted": "Delete"}, False, ["StatefulSet"], id="with the set"),
        pytest.param({"whenScaled": "Delete"}, True, ["Pod"], id="scaled away"),
        pytest.param({"whenScaled": "Delete"}, False, None, id="still wanted"),
        pytest.param({"whenDeleted": "Delete", "whenScaled": "Delete"}, True, ["Pod"], id="both"),
    ],
)
def test_claim_owners(policy: Obj, condemned: bool, kinds: list[str] | None) -> None:
    owner = stateful_set(persistentVolumeClaimRetentionPolicy=policy)
    pod = {"metadata": {"name": "db-2", "uid": "p"}}
    claim: Obj = {"metadata": {"name": "data-db-2"}}
    found = claims.owners(owner, claim, pod, condemned=condemned)
    assert (None if found is None else [r["kind"] for r in found]) == kinds
    if found is not None:
        claim["metadata"]["ownerReferences"] = found
        assert claims.owners(owner, claim, pod, condemned=condemned) is None
