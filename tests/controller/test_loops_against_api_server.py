"""The whole manager against a real API server, every loop with its own service account and upstream's rights only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pocketkube.client.resources import (
    CONFIGMAPS,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    STATEFULSETS,
    VALIDATINGADMISSIONPOLICIES,
)
from tests.controller.stand_ins import Cluster, cluster

Obj = dict[str, Any]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, allocate_node_cidrs=True, cluster_cidr="10.244.0.0/16") as found:
        await found.until(SERVICEACCOUNTS, "default", lambda account: True)
        yield found


def workload(kind: str, name: str = "web", *, image: str = "a", labels: Obj | None = None, **spec: Any) -> Obj:
    labels = labels or {"app": name}
    template: Obj = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": body}


def complete(replicas: int) -> Any:
    def holds(deployment: Obj) -> bool:
        status = deployment.get("status") or {}
        counts = [status.get(f) for f in ("replicas", "updatedReplicas", "availableReplicas")]
        return counts == [replicas] * 3 and status["observedGeneration"] == deployment["metadata"]["generation"]

    return holds


def reasons(found: list[Obj], name: str) -> list[str]:
    return [e["message"] for e in found if e["involvedObject"]["name"] == name]


async def test_a_deployment_rolls_and_its_service_follows(running: Cluster) -> None:
    client = running.client
    ports = [{"port": 80, "targetPort": 8080}]
    service = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": ports},
    }
    await client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", **service})
    await client.create(DEPLOYMENTS, workload("Deployment", replicas=3))
    await running.until(DEPLOYMENTS, "web", complete(3))
    await running.until(ENDPOINTS, "web", lambda e: len((e.get("subsets") or [{}])[0].get("addresses", ())) == 3)
    await client.patch(
        DEPLOYMENTS, "web", {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "b"}]}}}},
        namespace="default", type="strategic",
    )  # fmt: skip
    done = await running.until(DEPLOYMENTS, "web", complete(3))
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    sets = await client.items(REPLICASETS, "default")
    assert sorted(s["spec"]["replicas"] for s in sets) == [0, 3]
    pods = [p for p in await client.items(PODS, "default") if not p["metadata"].get("deletionTimestamp")]
    assert {p["spec"]["containers"][0]["image"] for p in pods} == {"b"}
    addresses = sorted(p["status"]["podIP"] for p in pods)

    def serves(found: Obj) -> bool:
        return sorted(e["addresses"][0] for e in found["endpoints"] if e["conditions"]["ready"]) == addresses

    [slice] = await client.items(ENDPOINTSLICES, "default", labelSelector="kubernetes.io/service-name=web")
    await running.until(ENDPOINTSLICES, slice["metadata"]["name"], serves)
    told = reasons(await client.items(EVENTS, "default"), "web")
    first = next(s["metadata"]["name"] for s in sets if s["spec"]["replicas"] == 0)
    assert f"Scaled up replica set {first} from 0 to 3" in told
    assert any(text.startswith(f"Scaled down replica set {first} from ") for text in told)


async def test_pods_are_replaced_released_and_adopted(running: Cluster) -> None:
    client = running.client
    await client.create(REPLICASETS, workload("ReplicaSet", replicas=2))
    owner = await running.until(REPLICASETS, "web", lambda s: (s.get("status") or {}).get("readyReplicas") == 2)
    one, other = await client.items(PODS, "default")
    await client.delete(PODS, one["metadata"]["name"], "default", grace=0)
    await running.until_gone(PODS, "default", name=one["metadata"]["name"])
    await running.until(REPLICASETS, "web", lambda s: s["status"].get("readyReplicas") == 2)
    name = other["metadata"]["name"]
    await client.patch(PODS, name, {"metadata": {"labels": {"app": "debug"}}}, namespace="default")
    await running.until(PODS, name, lambda p: not p["metadata"].get("ownerReferences"))
    await running.until(REPLICASETS, "web", lambda s: s["status"].get("readyReplicas") == 2)
    assert len(await client.items(PODS, "default")) == 3
    await client.patch(PODS, name, {"metadata": {"labels": {"app": "web"}}}, namespace="default")

    def adopted(pod: Obj) -> bool:
        owners = pod["metadata"].get("ownerReferences") or [{}]
        return bool(owners[0].get("uid") == owner["metadata"]["uid"])

    await running.until(PODS, name, lambda p: adopted(p) or p["metadata"].get("deletionTimestamp"))


@pytest.mark.parametrize("propagation", ["Foreground", "Background", "Orphan"])
async def test_deletion_takes_or_leaves_dependents(running: Cluster, propagation: str) -> None:
    client = running.client
    await client.create(DEPLOYMENTS, workload("Deployment", replicas=2))
    await running.until(DEPLOYMENTS, "web", complete(2))
    await client.delete(DEPLOYMENTS, "web", "default", propagation=propagation)
    await running.until_gone(DEPLOYMENTS, "default")
    if propagation == "Orphan":
        [left] = await client.items(REPLICASETS, "default")
        assert not left["metadata"].get("ownerReferences")
        return
    if propagation == "Foreground":
        assert not await client.items(REPLICASETS, "default")
    await running.until_gone(REPLICASETS, "default")
    await running.until_gone(PODS, "default")


def job(name: str, image: str, **spec: Any) -> Obj:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


def ended(type: str) -> Any:
    return lambda job: any(c["type"] == type for c in (job.get("status") or {}).get("conditions") or ())


async def test_jobs_complete_and_fail(running: Cluster) -> None:
    client = running.client
    await client.create(JOBS, job("ok", "a", completions=3, parallelism=2, completionMode="Indexed"))
    await client.create(JOBS, job("bad", "fail", backoffLimit=0))
    done = await running.until(JOBS, "ok", ended("Complete"))
    assert (done["status"]["succeeded"], done["status"]["completedIndexes"]) == (3, "0-2")
    failed = await running.until(JOBS, "bad", ended("Failed"))
    assert failed["status"]["failed"] == 1
    pods = await client.items(PODS, "default")
    assert not any(p["metadata"].get("finalizers") for p in pods)
    assert len(pods) == 4


async def test_sets_with_identity_and_on_every_node(running: Cluster) -> None:
    client = running.client
    await client.create(STATEFULSETS, workload("StatefulSet", "db", replicas=2, serviceName="db"))
    await client.create(DAEMONSETS, workload("DaemonSet", "agent"))
    await running.until(STATEFULSETS, "db", lambda s: (s.get("status") or {}).get("availableReplicas") == 2)
    await running.until(DAEMONSETS, "agent", lambda s: (s.get("status") or {}).get("numberReady") == 2)
    names = {p["metadata"]["name"] for p in await client.items(PODS, "default")}
    assert {"db-0", "db-1"} < names
    for resource, name in ((STATEFULSETS, "db"), (DAEMONSETS, "agent")):
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "b"}]}}}}
        await client.patch(resource, name, patch, namespace="default", type="strategic")
    await running.until(STATEFULSETS, "db", updated)
    await running.until(DAEMONSETS, "agent", everywhere)


def updated(stateful_set: Obj) -> bool:
    status = stateful_set["status"]
    return bool(status["currentRevision"] == status["updateRevision"] and status["observedGeneration"] == 2)


def everywhere(daemon_set: Obj) -> bool:
    status = daemon_set["status"]
    counts = [status.get(f) for f in ("updatedNumberScheduled", "numberAvailable", "observedGeneration")]
    return counts == [2, 2, 2]


async def test_a_namespace_is_furnished_and_emptied(running: Cluster) -> None:
    """line 32: and the content goes before it."""
    client = running.client
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    await running.until(SERVICEACCOUNTS, "default", lambda a: True, "team")
    published = (
        await running.until(CONFIGMAPS, "kube-root-ca.crt", lambda c: True, "team") if client.config.ca_file else None
    )
    assert published is None or published["data"]["ca.crt"]
    made = workload("Deployment", replicas=2)
    made["metadata"]["namespace"] = "team"
    await client.create(DEPLOYMENTS, made)
    await running.until(DEPLOYMENTS, "web", complete(2), "team")
    await client.delete(SERVICEACCOUNTS, "default", "team")
    await running.until(SERVICEACCOUNTS, "default", lambda a: True, "team")
    await client.delete(NAMESPACES, "team")
    await running.until_gone(NAMESPACES, name="team")
    assert not await client.items(PODS, "team")


async def test_nodes_get_cidrs_and_quota_and_budget_are_counted(running: Cluster) -> None:
    """line 49: the budget's status is counted."""
    client = running.client
    cidrs = [
        (await running.until(NODES, n, lambda o: o["spec"].get("podCIDR")))["spec"]["podCIDR"]
        for n in ("node-1", "node-2")
    ]
    assert sorted(cidrs) == ["10.244.0.0/24", "10.244.1.0/24"]
    meta = {"metadata": {"name": "all", "namespace": "default"}}
    await client.create(
        RESOURCEQUOTAS, {"apiVersion": "v1", "kind": "ResourceQuota", **meta, "spec": {"hard": {"pods": "9"}}}
    )
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    await client.create(
        PODDISRUPTIONBUDGETS, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", **meta, "spec": spec}
    )
    await running.until(RESOURCEQUOTAS, "all", lambda q: (q.get("status") or {}).get("hard"))
    await client.create(DEPLOYMENTS, workload("Deployment", replicas=3))
    await running.until(PODDISRUPTIONBUDGETS, "all", lambda b: (b.get("status") or {}).get("disruptionsAllowed") == 1)
    await running.until(RESOURCEQUOTAS, "all", lambda q: q["status"]["used"] == {"pods": "3"})


async def test_a_cron_job_starts_jobs_and_a_token_secret_is_filled(running: Cluster) -> None:
    client = running.client
    spec = {"schedule": "@every 1s", "jobTemplate": {"spec": job("x", "a")["spec"]}}
    meta = {"metadata": {"name": "tick", "namespace": "default"}}
    await client.create(CRONJOBS, {"apiVersion": "batch/v1", "kind": "CronJob", **meta, "spec": spec})
    notes = {"kubernetes.io/service-account.name": "default"}
    secret = {
        "metadata": {"name": "token", "namespace": "default", "annotations": notes},
        "type": "kubernetes.io/service-account-token",
    }
    await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **secret})
    filled = await running.until(SECRETS, "token", lambda s: (s.get("data") or {}).get("token"))
    assert filled["metadata"]["annotations"]["kubernetes.io/service-account.uid"]
    await running.until(CRONJOBS, "tick", lambda c: (c.get("status") or {}).get("lastSuccessfulTime"))


async def test_a_lost_node_loses_its_pods(tmp_path: Path) -> None:
    """One of two nodes falls silent: it is unreachable, tainted, and its pods run on the other."""
    async with cluster(tmp_path, node_monitor_grace_period=1.0, node_startup_grace_period=1.0) as found:
        client = found.client
        await found.until(SERVICEACCOUNTS, "default", lambda account: True)
        tolerations = [
            {
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 0,
            }
        ]
        made = workload("Deployment", replicas=2)
        made["spec"]["template"]["spec"]["tolerations"] = tolerations
        await client.create(DEPLOYMENTS, made)
        await found.until(DEPLOYMENTS, "web", complete(2))
        alive = _keep_alive(found, "node-1")
        try:
            lost = await found.until(
                NODES, "node-2", lambda n: _tainted(n, "node.kubernetes.io/unreachable", "NoExecute")
            )
            ready = next(c for c in lost["status"]["conditions"] if c["type"] == "Ready")
            assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
            assert _tainted(lost, "node.kubernetes.io/unreachable", "NoSchedule")
            gone = [
                p["metadata"]["name"]
                for p in await client.items(PODS, "default")
                if p["spec"].get("nodeName") == "node-2"
            ]
            for name in gone:
                await found.until_gone(PODS, "default", name=name)
            await found.kubelet.heartbeat("node-2")
            await found.until(NODES, "node-2", lambda n: not n["spec"].get("taints"))
        finally:
            alive.cancel()


def _tainted(node: Obj, key: str, effect: str) -> bool:
    return any(t["key"] == key and t["effect"] == effect for t in node["spec"].get("taints") or ())


def _keep_alive(found: Cluster, name: str) -> Any:
    async def beat() -> None:
        while True:
            await found.kubelet.heartbeat(name)
            await asyncio.sleep(0.3)

    return asyncio.create_task(beat())


async def test_policies_are_told_what_their_expressions_get_wrong(running: Cluster) -> None:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    checks = [
        {"expression": "object.spec.replicas <= 5 && object.metadata.namespace != ''"},
        {"expression": "object.spec.replica <= 5", "messageExpression": "variables.name + string(object.kinds)"},
    ]
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "variables": [{"name": "name", "expression": "object.metadata.name"}],
        "validations": checks,
    }
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"}
    await running.client.create(VALIDATINGADMISSIONPOLICIES, {**policy, "metadata": {"name": "p"}, "spec": spec})
    done = await running.until(
        VALIDATINGADMISSIONPOLICIES,
        "p",
        lambda p: bool((p.get("status") or {}).get("observedGeneration")),
        namespace="",
    )
    first, second = done["status"]["typeChecking"]["expressionWarnings"]
    assert first == {
        "fieldRef": "spec.validations[1].expression",
        "warning": "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'\n"
        " | object.spec.replica <= 5\n | ...........^\n",
    }
    assert second["fieldRef"] == "spec.validations[1].messageExpression"
    assert "undefined field 'kinds'" in second["warning"]
