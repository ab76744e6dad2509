"""DaemonSets: where pods belong, how updates go, that maxUnavailable and maxSurge hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.loops.daemonset import placement, update
from controller.loops.daemonset.plan import Plan, plan
from controller.pods import is_ready
from controller.revisions import POD_LABEL
from tests.controller.cluster_objects import NOW, STAMP, node, pod, template, uid, workload

Obj = dict[str, Any]


def daemon_set(spec: Obj | None = None, **more: Any) -> Obj:
    made = template()
    made["spec"] |= spec or {}
    return workload("agent", **{"template": made, **more})


def tainted(key: str, effect: str) -> Obj:
    found = node()
    found["spec"]["taints"] = [{"key": key, "effect": effect}]
    return found


def affinity(key: str, *values: str) -> Obj:
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    }


@pytest.mark.parametrize(
    ("spec", "found", "expected"),
    [
        pytest.param({}, node(), (True, True), id="any node"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node(), (False, False), id="selector"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node(labels={"disk": "ssd"}), (True, True), id="selected"),
        pytest.param(affinity("zone", "a"), node(labels={"zone": "b"}), (False, False), id="affinity"),
        pytest.param({}, tainted("dedicated", "NoSchedule"), (False, True), id="may stay, not start"),
        pytest.param({}, tainted("dedicated", "NoExecute"), (False, False), id="must go"),
        pytest.param(
            {}, tainted("node.kubernetes.io/unreachable", "NoExecute"), (True, True), id="a lost node keeps it"
        ),
        pytest.param(
            {}, tainted("node.kubernetes.io/unschedulable", "NoSchedule"), (True, True), id="so does a cordoned one"
        ),
        pytest.param({"nodeName": "other"}, node(), (False, False), id="another node by name"),
    ],
)
def test_placement(spec: Obj, found: Obj, expected: tuple[bool, bool]) -> None:
    assert placement.fits(daemon_set(spec), found) == expected


def test_a_pod_is_held_to_its_node() -> None:
    made = placement.new_pod(daemon_set(affinity("zone", "a")), "node-7", "abc")
    [term] = made["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": ["node-7"]}]
    assert term["matchExpressions"][0]["key"] == "zone"
    assert placement.node_of(made) == "node-7"
    assert made["metadata"]["labels"][POD_LABEL] == "abc"
    assert len(made["spec"]["tolerations"]) == 6


def on(name: str, *, digest: str = "v1", **more: Any) -> Obj:
    return pod(node=name, labels={"app": "web", POD_LABEL: digest}, **more)


def test_status_and_the_pods_that_must_change() -> None:
    nodes = [node("a"), node("b"), node("c", ready="Unknown"), tainted("x", "NoExecute")]
    nodes[3]["metadata"]["name"] = "d"
    failed, twice = on("a", phase="Failed"), on("b", ready=True, since="2026-11-21T02:00:00Z")
    extra, misplaced, nowhere = on("b"), on("d"), on("gone")
    decided = plan(daemon_set(), [failed, twice, extra, misplaced, nowhere], nodes, "v1", NOW)
    assert decided.create == ["c"]
    assert decided.delete == [extra, misplaced, nowhere]
    assert [(p, r) for p, r, _ in decided.ended] == [(failed, "FailedDaemonPod")]
    assert decided.status == {
        "currentNumberScheduled": 2,
        "numberMisscheduled": 1,
        "desiredNumberScheduled": 3,
        "numberReady": 1,
        "numberAvailable": 1,
        "numberUnavailable": 2,
        "updatedNumberScheduled": 2,
        "observedGeneration": 1,
    }


class World:
    def __init__(self, owner: Obj, nodes: int):
        self.owner, self.nodes = owner, [node(f"n{i}") for i in range(nodes)]
        self.pods: dict[str, Obj] = {}
        self.digest = "v1"

    def step(self) -> Plan:
        decided = plan(self.owner, list(self.pods.values()), self.nodes, self.digest, NOW)
        for name in decided.create:
            made = placement.new_pod(self.owner, name, self.digest)
            identity = uid()
            metadata = {**made["metadata"], "name": identity, "uid": identity, "creationTimestamp": STAMP}
            self.pods[identity] = {**made, "metadata": metadata, "status": {"phase": "Pending"}}
        for doomed in [*decided.delete, *(p for p, _, _ in decided.ended)]:
            del self.pods[doomed["metadata"]["uid"]]
        return decided

    def ready(self, identity: str) -> None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": STAMP}]
        found = self.pods[identity]
        spec = {**found["spec"], "nodeName": placement.node_of(found)}
        self.pods[identity] = {**found, "spec": spec, "status": {"phase": "Running", "conditions": conditions}}

    def served(self) -> int:
        """Nodes with an available pod."""
        return len({placement.node_of(p) for p in self.pods.values() if is_ready(p)})

    def settle(self) -> None:
        for _ in range(200):
            for identity in self.pods:
                self.ready(identity)
            before = dict(self.pods)
            self.step()
            if self.pods == before:
                return
        raise AssertionError("the set does not settle")


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_updates_keep_enough_nodes_served(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    surge = data.draw(st.sampled_from([0, 0, 1, 2, "50%"]))
    unavailable = 0 if surge else data.draw(st.sampled_from([1, 2, "25%", "100%"]))
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    world = World(daemon_set(updateStrategy=strategy), count)
    world.settle()
    most_surge, most_down = update.bounds(world.owner, count)
    for version in data.draw(st.lists(st.sampled_from(["v2", "v3", "v1"]), max_size=3)):
        world.digest = version
        for _ in range(data.draw(st.integers(1, 8))):
            before = world.served()
            world.step()
            assert world.served() >= min(before, count - most_down)
            assert len(world.pods) <= count + most_surge
            for identity in list(world.pods):
                if data.draw(st.booleans()):
                    world.ready(identity)
    world.settle()
    assert len(world.pods) == count
    assert {p["metadata"]["labels"][POD_LABEL] for p in world.pods.values()} == {world.digest}
