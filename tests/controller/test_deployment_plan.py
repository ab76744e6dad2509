"""Rollouts: the plan driven over a simulated world until it settles, with its promises checked at every step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.loops.deployment import replica_sets as rs
from controller.loops.deployment.plan import Plan, plan
from controller.loops.deployment.rollout import rescale
from tests.controller.cluster_objects import NOW, owned_by, template, workload

Obj = dict[str, Any]

STEPS = 200


def deployment(
    replicas: int = 3, *, image: str = "a", surge: Any = "25%", unavailable: Any = "25%", **spec: Any
) -> Obj:
    made = workload(**{"replicas": replicas, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, **spec})
    made["spec"].setdefault(
        "strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    )
    made["spec"]["template"] = {**template(), "spec": {"containers": [{"name": "c", "image": image}]}}
    return made


class World:
    """Replica sets that obey: `serve` turns spec.replicas into pods of which the last few are not available yet."""

    def __init__(self, owner: Obj):
        self.owner = owner
        self.sets: dict[str, Obj] = {}
        self.now = NOW

    def step(self, *, old_pods_run: bool = False) -> Plan:
        decided = plan(self.owner, list(self.sets.values()), old_pods_run=old_pods_run, now=self.now)
        if decided.create is not None:
            name = decided.create["metadata"]["name"]
            assert name not in self.sets
            metadata = {**decided.create["metadata"], "uid": name, "generation": 1, "creationTimestamp": self._stamp()}
            metadata["ownerReferences"] = owned_by(self.owner, "Deployment")
            self.sets[name] = {**decided.create, "metadata": metadata, "status": {"replicas": 0}}
        for _, new in decided.update:
            self.sets[new["metadata"]["name"]] = new
        for old in decided.delete:
            del self.sets[old["metadata"]["name"]]
        self.owner = {**self.owner, "status": decided.status}
        return decided

    def _stamp(self) -> str:
        return (self.now + timedelta(seconds=len(self.sets))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def serve(self, not_available: int = 0) -> None:
        """Every set has its pods; up to `not_available` in all are not available, the newest set's first."""
        for name, found in reversed(self.sets.items()):
            size = rs.size(found)
            bad = min(size, not_available)
            not_available -= bad
            counts = {"replicas": size, "readyReplicas": size - bad, "availableReplicas": size - bad}
            self.sets[name] = {**found, "status": {**counts, "observedGeneration": 1}}

    def total(self) -> int:
        return rs.total(self.sets.values())

    def available(self) -> int:
        """Pods that serve now: a set that shrank loses unavailable pods first, as replica sets do."""
        return sum(min(rs.size(s), rs.counted(s, "availableReplicas")) for s in self.sets.values())

    def settle(self) -> None:
        for _ in range(STEPS):
            self.serve()
            before = dict(self.sets), self.owner["status"]
            self.step()
            if (self.sets, self.owner["status"]) == before:
                return
        raise AssertionError("the rollout does not settle")


def change(world: World, image: str) -> None:
    spec = {**world.owner["spec"], "template": {**template(), "spec": {"containers": [{"name": "c", "image": image}]}}}
    metadata = {**world.owner["metadata"], "generation": world.owner["metadata"]["generation"] + 1}
    world.owner = {**world.owner, "spec": spec, "metadata": metadata}


def resize(world: World, replicas: int) -> None:
    world.owner = {**world.owner, "spec": {**world.owner["spec"], "replicas": replicas}}


def conditions(world: World) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in world.owner["status"]["conditions"]}


def test_the_first_rollout() -> None:
    world = World(deployment())
    first = world.step()
    assert first.create is not None
    assert first.create["spec"]["replicas"] == 3
    assert first.create["metadata"]["name"].startswith("web-")
    assert first.create["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert first.revision == 1
    assert conditions(world)["Progressing"] == ("True", "NewReplicaSetCreated")
    assert conditions(world)["Available"] == ("False", "MinimumReplicasUnavailable")
    world.settle()
    assert conditions(world) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert world.step().update == ()


def test_an_old_template_comes_back_with_a_new_revision() -> None:
    world = World(deployment())
    world.settle()
    first = next(iter(world.sets))
    change(world, "b")
    world.settle()
    assert len(world.sets) == 2
    change(world, "a")
    world.settle()
    assert len(world.sets) == 2
    assert rs.notes(world.sets[first])[rs.REVISION] == "3"
    assert rs.notes(world.sets[first])[rs.REVISION_HISTORY] == "1"
    assert rs.size(world.sets[first]) == 3


def test_history_is_kept_to_its_limit() -> None:
    world = World(deployment(revisionHistoryLimit=2))
    for image in "abcdefg":
        change(world, image)
        world.settle()
    assert sorted(rs.number(s, rs.REVISION) for s in world.sets.values()) == [5, 6, 7]


def test_the_hash_ignores_what_defaulting_adds_and_depends_on_collisions() -> None:
    bare = template()
    defaulted = {"metadata": {**bare["metadata"], "creationTimestamp": None}, "spec": {**bare["spec"], "volumes": []}}
    labelled = {**bare, "metadata": {"labels": {**bare["metadata"]["labels"], rs.HASH_LABEL: "x"}}}
    assert rs.template_hash(bare, None) == rs.template_hash(defaulted, None) == rs.template_hash(labelled, 0)
    assert rs.template_hash(bare, 1) != rs.template_hash(bare, None)
    assert rs.same_template(bare, labelled)


def test_recreate_waits_for_the_last_old_pod() -> None:
    world = World(deployment(strategy={"type": "Recreate"}))
    world.settle()
    old = next(iter(world.sets))
    change(world, "b")
    world.step(old_pods_run=True)
    assert rs.size(world.sets[old]) == 0
    world.serve()
    assert world.step(old_pods_run=True).create is None
    made = world.step(old_pods_run=False).create
    assert made is not None
    assert made["spec"]["replicas"] == 3


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    world = World(deployment())
    world.settle()
    world.owner["spec"] = {**world.owner["spec"], "paused": True}
    change(world, "b")
    resize(world, 5)
    world.settle()
    assert [rs.size(s) for s in world.sets.values()] == [5]
    assert conditions(world)["Progressing"] == ("Unknown", "DeploymentPaused")
    world.owner = {**world.owner, "spec": {**world.owner["spec"], "paused": False}}
    world.settle()
    assert sorted(rs.size(s) for s in world.sets.values()) == [0, 5]
    assert conditions(world)["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_a_rollout_that_does_not_move_times_out() -> None:
    world = World(deployment())
    world.settle()
    change(world, "broken")
    for _ in range(10):
        world.step()
        world.serve(not_available=1)
    world.now += timedelta(seconds=601)
    world.step()
    assert conditions(world)["Progressing"] == ("False", "ProgressDeadlineExceeded")


@pytest.mark.parametrize(
    ("sizes", "replicas", "expected"),
    [
        pytest.param({"old": 8, "new": 3}, 20, {"old": 18, "new": 5}, id="up in proportion, surge included"),
        pytest.param({"old": 8, "new": 3}, 5, {"old": 5, "new": 3}, id="down in proportion"),
        pytest.param({"old": 5, "new": 5}, 0, {"old": 0, "new": 0}, id="to zero"),
        pytest.param({"new": 3}, 7, {"new": 7}, id="the only active one takes all"),
    ],
)
def test_proportional_scaling(sizes: dict[str, int], replicas: int, expected: dict[str, int]) -> None:
    owner = deployment(replicas, surge=3, unavailable=2)
    notes = {rs.DESIRED: "10", rs.MAXIMUM: "13"}
    sets = {n: workload(n, replicas=s, annotations=notes) for n, s in sizes.items()}
    found = rescale(owner, sets["new"], [s for n, s in sets.items() if n != "new"])
    assert found == expected


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_never_too_many_and_never_too_few(data: st.DataObject) -> None:
    """Templates change at any moment and pods come up at any pace: sizes stay within maxSurge, and no step of the plan
    takes availability below the minimum when it was met before."""
    replicas = data.draw(st.integers(1, 12), label="replicas")
    bound = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "25%", "50%", "100%"]))
    world = World(
        deployment(replicas, surge=data.draw(bound, label="surge"), unavailable=data.draw(bound, label="unavailable"))
    )
    world.settle()
    surge, unavailable = rs.bounds(world.owner)
    for image in data.draw(st.lists(st.sampled_from("abcd"), max_size=4), label="images"):
        change(world, image)
        for bad in data.draw(st.lists(st.integers(0, replicas), max_size=6), label="not available"):
            world.serve(not_available=bad)
            before = world.available()
            world.step()
            assert world.total() <= replicas + surge
            assert world.available() >= min(before, replicas - unavailable)
    world.settle()
    assert sorted(rs.size(s) for s in world.sets.values())[-1] == replicas
    assert world.total() == replicas


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_scaling_in_the_middle_of_a_rollout_settles(data: st.DataObject) -> None:
    world = World(deployment(data.draw(st.integers(0, 10))))
    world.settle()
    for image in data.draw(st.lists(st.sampled_from("abc"), max_size=3)):
        change(world, image)
        for _ in range(data.draw(st.integers(0, 3))):
            world.step()
            world.serve(not_available=data.draw(st.integers(0, 5)))
        resize(world, data.draw(st.integers(0, 12)))
    world.settle()
    assert world.total() == world.owner["spec"]["replicas"]
