"""The whole scheduler over the wire, against an API server in memory: what it binds, tells, retries and survives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pocketkube.api.meta import errors
from pocketkube.client.config import ClientConfig
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informers
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import (
    EVENTS,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    STORAGECLASSES,
)
from pocketkube.client.rest import Client
from scheduler.__main__ import build
from scheduler.config import Configuration, parse
from scheduler.scheduler import Scheduler
from tests.scheduler.objects import make_node, make_pod

Obj = dict[str, Any]

Start = Callable[..., Awaitable[Scheduler]]


@pytest.fixture
async def server() -> AsyncIterator[MemoryServer]:
    async with MemoryServer() as server:
        yield server


@pytest.fixture
async def start(server: MemoryServer) -> AsyncIterator[Start]:
    """Starts a scheduler on the server; it is stopped at the end."""
    running: list[asyncio.Task[None]] = []
    clients: list[Client] = []

    async def go(configuration: Configuration | None = None) -> Scheduler:
        client = Client(ClientConfig(server=server.url))
        clients.append(client)
        informers = Informers(client)
        recorder = EventRecorder(client, "default-scheduler")
        scheduler = build(configuration or Configuration(), client, informers, recorder)
        running.append(asyncio.create_task(informers.run()))
        await informers.wait_synced()
        running.append(asyncio.create_task(scheduler.run()))
        return scheduler

    yield go
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for client in clients:
        await client.aclose()


def node_of(server: MemoryServer, name: str) -> str:
    pod = server.get(PODS, name, "default")
    return str(pod["spec"].get("nodeName") or "") if pod else ""


def condition(server: MemoryServer, name: str) -> Obj:
    pod = server.get(PODS, name, "default")
    conditions = (pod or {}).get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == "PodScheduled"), {})


def events(server: MemoryServer, reason: str) -> list[str]:
    return [e["message"] for e in server.all(EVENTS) if e["reason"] == reason]


async def test_binds_and_says_so(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n"))
    await start()
    server.put(PODS, make_pod("p", cpu="1"))
    await server.wait_for(lambda: node_of(server, "p") == "n" and events(server, "Scheduled"))
    assert events(server, "Scheduled") == ["Successfully assigned default/p to n"]


async def test_pods_of_others_are_left_alone(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n"))
    await start()
    server.put(PODS, make_pod("theirs", schedulerName="other"))
    server.put(PODS, make_pod("ours"))
    await server.wait_for(lambda: node_of(server, "ours"))
    assert not node_of(server, "theirs")


async def test_misfit_is_told_and_repaired_by_an_event(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("small", cpu="1"))
    await start()
    server.put(PODS, make_pod("p", cpu="2"))
    message = (
        "0/1 nodes are available: 1 Insufficient cpu. "
        "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )
    await server.wait_for(lambda: condition(server, "p") and events(server, "FailedScheduling"))
    found = condition(server, "p")
    assert (found["status"], found["reason"], found["message"]) == ("False", "Unschedulable", message)
    assert events(server, "FailedScheduling") == [message]
    server.put(NODES, make_node("large", cpu="4"))
    await server.wait_for(lambda: node_of(server, "p") == "large")


async def test_no_nodes_at_all(server: MemoryServer, start: Start) -> None:
    await start()
    server.put(PODS, make_pod("p"))
    await server.wait_for(lambda: condition(server, "p"))
    assert condition(server, "p")["message"].startswith("no nodes available to schedule pods")
    server.put(NODES, make_node("n"))
    await server.wait_for(lambda: node_of(server, "p") == "n")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s.put(NODES, make_node("n", cpu="4")), id="untainted"),
        pytest.param(lambda s: s.put(NODES, make_node("m", cpu="4")), id="node-added"),
    ],
)
async def test_a_taint_that_goes(server: MemoryServer, start: Start, change: Callable[[MemoryServer], Any]) -> None:
    server.put(NODES, make_node("n", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
    await start()
    server.put(PODS, make_pod("p"))
    await server.wait_for(lambda: condition(server, "p"))
    assert "1 node(s) had untolerated taint {k: v}." in condition(server, "p")["message"]
    change(server)
    await server.wait_for(lambda: node_of(server, "p"))


async def test_room_that_becomes_free_is_used(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n", cpu="1"))
    server.put(PODS, make_pod("old", node="n", cpu="1"))
    await start()
    server.put(PODS, make_pod("p", cpu="1"))
    await server.wait_for(lambda: condition(server, "p"))
    server.remove(PODS, "old", "default")
    await server.wait_for(lambda: node_of(server, "p") == "n")


async def test_gates(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n"))
    await start()
    gated = make_pod("gated", schedulingGates=[{"name": "example.com/g"}])
    server.put(PODS, gated)
    server.put(PODS, make_pod("free"))
    await server.wait_for(lambda: node_of(server, "free"))
    assert not node_of(server, "gated")
    server.put(PODS, {**gated, "spec": {**gated["spec"], "schedulingGates": []}})
    await server.wait_for(lambda: node_of(server, "gated"))


async def test_preemption(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n", cpu="1"))
    server.put(PODS, make_pod("low", node="n", cpu="1"))
    scheduler = await start()
    server.put(PODS, make_pod("high", cpu="1", priority=100))
    await server.wait_for(lambda: node_of(server, "high") == "n" and events(server, "Preempted"))
    assert server.get(PODS, "low", "default") is None
    marked = next(r for r in server.requests if r.method == "PATCH" and r.path.endswith("/low/status"))
    assert marked.body["status"]["conditions"][0]["reason"] == "PreemptionByScheduler"
    assert marked.body["status"]["conditions"][0]["type"] == "DisruptionTarget"
    deleted = next(r for r in server.requests if r.method == "DELETE")
    assert deleted.body["preconditions"]["uid"]
    nominated = next(r for r in server.requests if r.path.endswith("/high/status"))
    assert nominated.body["status"]["nominatedNodeName"] == "n"
    assert not scheduler.snapshot.nominated


async def test_a_pod_that_never_preempts(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n", cpu="1"))
    server.put(PODS, make_pod("low", node="n", cpu="1"))
    await start()
    server.put(PODS, make_pod("polite", cpu="1", priority=100, preemptionPolicy="Never"))
    await server.wait_for(lambda: condition(server, "polite"))
    text = "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    assert condition(server, "polite")["message"] == text
    assert server.get(PODS, "low", "default")


async def test_no_victims(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n", cpu="1"))
    server.put(PODS, make_pod("old", node="n", cpu="1"))
    await start()
    server.put(PODS, make_pod("p", cpu="1"))
    await server.wait_for(lambda: condition(server, "p"))
    assert condition(server, "p")["message"].endswith(
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


async def test_nominated_room_is_kept_from_lower_pods(server: MemoryServer, start: Start) -> None:
    """While its victim terminates, the preemptor's place is not given to a smaller pod of lower priority."""
    server.put(NODES, make_node("n", cpu="1"))
    victim = make_pod("victim", node="n", cpu="1")
    server.put(PODS, victim)
    waiting = make_pod("high", cpu="1", priority=100)
    waiting["status"]["nominatedNodeName"] = "n"
    server.put(PODS, waiting)
    terminating = {**victim, "metadata": {**victim["metadata"], "deletionTimestamp": "2026-11-21T03:00:00Z"}}
    terminating["status"] = {
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    }
    server.put(PODS, terminating)
    await start()
    await server.wait_for(lambda: condition(server, "high"))
    assert "not eligible due to a terminating pod on the nominated node." in condition(server, "high")["message"]
    server.put(PODS, make_pod("low", cpu="100m"))
    await server.wait_for(lambda: condition(server, "low"))
    server.remove(PODS, "victim", "default")
    await server.wait_for(lambda: node_of(server, "high") == "n")
    assert not node_of(server, "low")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.InternalError("oops"), id="internal"),
        pytest.param(errors.ServiceUnavailable("etcd"), id="unavailable"),
    ],
)
async def test_a_failed_binding_frees_its_place_and_is_tried_again(
    server: MemoryServer, start: Start, error: errors.StatusError
) -> None:
    server.put(NODES, make_node("n", cpu="1"))
    await start(Configuration(initial_backoff=0.01))
    server.fail("POST .*/binding", error, times=2)
    server.put(PODS, make_pod("p", cpu="1"))
    await server.wait_for(lambda: node_of(server, "p") == "n")


async def test_the_server_goes_and_comes(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n"))
    await start(Configuration(initial_backoff=0.01))
    server.put(PODS, make_pod("before"))
    await server.wait_for(lambda: node_of(server, "before"))
    await server.stop()
    server.put(PODS, make_pod("meanwhile"))
    await server.start()
    server.put(PODS, make_pod("after"))
    await server.wait_for(lambda: node_of(server, "meanwhile") and node_of(server, "after"))


async def test_many_pods_fill_the_cluster_exactly(server: MemoryServer, start: Start) -> None:
    for i in range(10):
        server.put(NODES, make_node(f"n{i}", cpu="4"))
    await start()
    for i in range(50):
        server.put(PODS, make_pod(f"p{i}", cpu="1"))
    await server.wait_for(lambda: sum(bool(node_of(server, f"p{i}")) for i in range(50)) == 40, seconds=30)
    await server.wait_for(lambda: sum(bool(condition(server, f"p{i}")) for i in range(50)) >= 50, seconds=30)
    taken: dict[str, int] = {}
    for pod in server.all(PODS):
        if node := pod["spec"].get("nodeName"):
            taken[node] = taken.get(node, 0) + 1
    assert set(taken.values()) == {4}


async def test_a_claim_that_waits_is_bound_with_its_pod(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("n"))
    local = {"metadata": {"name": "local"}, "provisioner": "kubernetes.io/no-provisioner"}
    server.put(STORAGECLASSES, {**local, "volumeBindingMode": "WaitForFirstConsumer"})
    size = {"storage": "1Gi"}
    spec = {"capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": "local"}
    server.put(PERSISTENTVOLUMES, {"metadata": {"name": "pv"}, "spec": spec, "status": {"phase": "Available"}})
    wants = {"accessModes": ["ReadWriteOnce"], "storageClassName": "local", "resources": {"requests": size}}
    claim: Obj = {"metadata": {"name": "data", "namespace": "default"}, "spec": wants, "status": {"phase": "Pending"}}
    server.put(PERSISTENTVOLUMECLAIMS, claim)
    await start()
    server.put(PODS, make_pod("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]))

    def claimed() -> Obj:
        volume = server.get(PERSISTENTVOLUMES, "pv")
        return (volume or {}).get("spec", {}).get("claimRef") or {}

    await server.wait_for(claimed)
    assert claimed()["name"] == "data"
    assert not node_of(server, "p")
    annotations = {"pv.kubernetes.io/bind-completed": "yes"}
    bound = {**claim, "metadata": {**claim["metadata"], "annotations": annotations}}
    server.put(PERSISTENTVOLUMECLAIMS, {**bound, "spec": {**wants, "volumeName": "pv"}, "status": {"phase": "Bound"}})
    await server.wait_for(lambda: node_of(server, "p") == "n")


async def test_two_profiles(server: MemoryServer, start: Start) -> None:
    server.put(NODES, make_node("empty"))
    server.put(NODES, make_node("used"))
    server.put(PODS, make_pod("old", node="used", cpu="2", memory="4Gi"))
    strategy = {"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "MostAllocated"}}}
    off = {"score": {"disabled": [{"name": "NodeResourcesBalancedAllocation"}]}}
    packing = {"schedulerName": "packing", "pluginConfig": [strategy], "plugins": off}
    await start(parse({"kind": "KubeSchedulerConfiguration", "profiles": [{}, packing]}))
    server.put(PODS, make_pod("a", cpu="1", memory="2Gi"))
    await server.wait_for(lambda: node_of(server, "a"))
    server.put(PODS, make_pod("b", cpu="1", memory="1Gi", schedulerName="packing"))
    await server.wait_for(lambda: node_of(server, "b"))
    assert (node_of(server, "a"), node_of(server, "b")) == ("empty", "used")
