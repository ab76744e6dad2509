"""LimitRange and ResourceQuota: defaults, bounds, and usage that is taken atomically."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from apiserver import admission
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.kinds import quota
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import Admit, Obj, pod, request


def container(requests: Obj | None = None, limits: Obj | None = None, name: str = "a") -> Obj:
    resources = {k: v for k, v in (("requests", requests), ("limits", limits)) if v}
    return {"name": name, "resources": resources} if resources else {"name": name}


def limit_range(cluster: MemoryCluster, **item: Any) -> None:
    item = {"type": "Container", **item}
    meta = {"name": "limits", "namespace": "default"}
    cluster.put("", "limitranges", {"metadata": meta, "spec": {"limits": [item]}})


@pytest.mark.parametrize(
    ("given", "expected", "note"),
    [
        pytest.param(
            container(),
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}},
            "cpu request for container a; cpu limit for container a",
            id="nothing said",
        ),
        pytest.param(
            container({"cpu": "200m"}),
            {"requests": {"cpu": "200m"}, "limits": {"cpu": "500m"}},
            "cpu limit for container a",
            id="request said",
        ),
        pytest.param(
            container({"cpu": "1m"}, {"cpu": "2m"}), {"requests": {"cpu": "1m"}, "limits": {"cpu": "2m"}}, "", id="both"
        ),
    ],
)
async def test_defaults(cluster: MemoryCluster, admit: Admit, given: Obj, expected: Obj, note: str) -> None:
    """line 35: which default fills which field."""
    limit_range(cluster, default={"cpu": "500m"}, defaultRequest={"cpu": "100m"})
    done = await admit("LimitRanger", request("CREATE", "pods", pod(containers=[given])))
    assert done["spec"]["containers"][0]["resources"] == expected
    annotations = done["metadata"].get("annotations", {})
    assert annotations.get("kubernetes.io/limit-ranger", "") == (f"LimitRanger plugin set: {note}" if note else "")


@pytest.mark.parametrize(
    ("item", "given", "refusal"),
    [
        pytest.param(
            {"min": {"cpu": "100m"}},
            container({"cpu": "50m"}),
            "minimum cpu usage per Container is 100m, but request is 50m",
            id="min request",
        ),
        pytest.param(
            {"min": {"cpu": "100m"}},
            container(),
            "minimum cpu usage per Container is 100m.  No request is specified",
            id="min unsaid",
        ),
        pytest.param(
            {"max": {"cpu": "1"}},
            container({"cpu": "1"}, {"cpu": "2"}),
            "maximum cpu usage per Container is 1, but limit is 2",
            id="max limit",
        ),
        pytest.param(
            {"max": {"cpu": "1"}},
            container({"cpu": "1"}),
            "maximum cpu usage per Container is 1.  No limit is specified",
            id="max unsaid",
        ),
        pytest.param({"max": {"cpu": "1"}}, container({"cpu": "500m"}, {"cpu": "1000m"}), "", id="fits"),
        pytest.param(
            {"maxLimitRequestRatio": {"cpu": "2"}},
            container({"cpu": "1"}, {"cpu": "3"}),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
            id="ratio",
        ),
        pytest.param(
            {"type": "Pod", "max": {"memory": "1Gi"}},
            container({"memory": "2Gi"}, {"memory": "2Gi"}),
            "maximum memory usage per Pod is 1Gi, but limit is 2Gi",
            id="pod",
        ),
        pytest.param(
            {"min": {"cpu": "1", "memory": "1Gi"}},
            container(),
            "[minimum cpu usage per Container is 1.  No request is specified, "
            "minimum memory usage per Container is 1Gi.  No request is specified]",
            id="two",
        ),
    ],
)
async def test_bounds(cluster: MemoryCluster, admit: Admit, item: Obj, given: Obj, refusal: str) -> None:
    """line 35: bounds of requests and limits."""
    limit_range(cluster, **item)
    asked = request("CREATE", "pods", pod(containers=[given]))
    if not refusal:
        await admit("LimitRanger", asked)
        return
    with pytest.raises(errors.Forbidden) as refused:
        await admit("LimitRanger", asked)
    assert refused.value.message == f'pods "web" is forbidden: {refusal}'


@pytest.mark.parametrize(
    ("storage", "refusal"), [("1Gi", ""), ("500Mi", "minimum storage usage"), ("3Gi", "maximum storage usage")]
)
async def test_claims(cluster: MemoryCluster, admit: Admit, storage: str, refusal: str) -> None:
    limit_range(cluster, type="PersistentVolumeClaim", min={"storage": "1Gi"}, max={"storage": "2Gi"})
    claim = {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": storage}}}}
    asked = request("CREATE", "persistentvolumeclaims", claim)
    if not refusal:
        await admit("LimitRanger", asked)
        return
    with pytest.raises(errors.Forbidden, match=refusal):
        await admit("LimitRanger", asked)


def put_quota(cluster: MemoryCluster, hard: Obj, used: Obj | None = None, name: str = "q", **spec: Any) -> None:
    status = {"hard": hard, "used": used if used is not None else dict.fromkeys(hard, "0")}
    meta = {"name": name, "namespace": "default"}
    cluster.put("", "resourcequotas", {"metadata": meta, "spec": {"hard": hard, **spec}, "status": status})


def used(cluster: MemoryCluster, name: str = "q") -> Obj:
    found = cluster.get("", "resourcequotas", "default", name)
    assert found is not None
    taken: Obj = found["status"]["used"]
    return taken


async def test_pod_takes_its_share(cluster: MemoryCluster, admit: Admit) -> None:
    """line 34: what a pod costs."""
    hard = {
        "pods": "5",
        "cpu": "2",
        "requests.memory": "2Gi",
        "limits.cpu": "4",
        "count/pods": "9",
        "requests.example.com/gpu": "3",
    }
    put_quota(cluster, hard)
    asked = container({"cpu": "500m", "memory": "1Gi", "example.com/gpu": "2"}, {"cpu": "1", "example.com/gpu": "2"})
    await admit("ResourceQuota", request("CREATE", "pods", pod(containers=[asked])))
    assert used(cluster) == {
        "pods": "1",
        "cpu": "500m",
        "requests.memory": "1Gi",
        "limits.cpu": "1",
        "count/pods": "1",
        "requests.example.com/gpu": "2",
    }


async def test_exceeded(cluster: MemoryCluster, admit: Admit) -> None:
    put_quota(cluster, {"pods": "2", "requests.cpu": "1"}, {"pods": "2", "requests.cpu": "900m"})
    with pytest.raises(errors.Forbidden) as refused:
        await admit("ResourceQuota", request("CREATE", "pods", pod(containers=[container({"cpu": "200m"})])))
    assert refused.value.message == (
        'pods "web" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=200m, '
        "used: pods=2,requests.cpu=900m, limited: pods=2,requests.cpu=1"
    )


@pytest.mark.parametrize(
    ("hard", "given", "words"),
    [
        pytest.param(
            {"requests.cpu": "1", "limits.memory": "1Gi"},
            container(),
            "failed quota: q: must specify limits.memory for: a; requests.cpu for: a",
            id="must be said",
        ),
        pytest.param({"cpu": "1"}, container(), "failed quota: q: must specify cpu for: a", id="cpu is requests.cpu"),
    ],
)
async def test_must_specify(cluster: MemoryCluster, admit: Admit, hard: Obj, given: Obj, words: str) -> None:
    put_quota(cluster, hard)
    with pytest.raises(errors.Forbidden) as refused:
        await admit("ResourceQuota", request("CREATE", "pods", pod(containers=[given])))
    assert refused.value.message == f'pods "web" is forbidden: {words}'


async def test_status_unknown(cluster: MemoryCluster, admit: Admit) -> None:
    put_quota(cluster, {"pods": "1"}, {})
    with pytest.raises(errors.Forbidden, match="status unknown for quota: q, resources: pods"):
        await admit("ResourceQuota", request("CREATE", "pods", pod()))


async def test_refusal_by_one_costs_no_other(cluster: MemoryCluster, admit: Admit) -> None:
    put_quota(cluster, {"pods": "5"}, name="a")
    put_quota(cluster, {"pods": "0"}, name="b")
    with pytest.raises(errors.Forbidden, match="exceeded quota: b"):
        await admit("ResourceQuota", request("CREATE", "pods", pod()))
    assert used(cluster, "a") == {"pods": "0"}


async def test_many_at_once_never_take_too_much(cluster: MemoryCluster) -> None:
    """line 34: use is counted atomically."""
    put_quota(cluster, {"pods": "7"})
    chains = [admission.build(cluster) for _ in range(3)]  # as three servers would

    async def create(number: int) -> bool:
        asked = request("CREATE", "pods", pod())
        try:
            await chains[number % 3].validate(asked)
        except errors.Forbidden:
            return False
        return True

    done = await asyncio.gather(*(create(n) for n in range(20)))
    assert sum(done) == 7
    assert used(cluster) == {"pods": "7"}


async def test_dry_run_takes_nothing(cluster: MemoryCluster, admit: Admit) -> None:
    put_quota(cluster, {"pods": "1"})
    asked = request("CREATE", "pods", pod())
    asked.dry_run = True
    await admit("ResourceQuota", asked)
    assert used(cluster) == {"pods": "0"}


async def test_other_kinds_and_updates(cluster: MemoryCluster, admit: Admit) -> None:
    put_quota(
        cluster,
        {"count/deployments.apps": "1", "services.nodeports": "2", "configmaps": "1", "requests.storage": "2Gi"},
    )
    await admit("ResourceQuota", request("CREATE", "deployments.apps", {"metadata": {"name": "d"}, "spec": {}}))
    await admit("ResourceQuota", request("CREATE", "configmaps", {"metadata": {"name": "c"}}))
    old = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{}]}}
    new = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{}, {}]}}
    await admit("ResourceQuota", request("CREATE", "services", old))
    await admit("ResourceQuota", request("UPDATE", "services", new, old))
    claim = {"metadata": {"name": "c"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    await admit("ResourceQuota", request("CREATE", "persistentvolumeclaims", claim))
    assert used(cluster) == {
        "count/deployments.apps": "1",
        "services.nodeports": "2",
        "configmaps": "1",
        "requests.storage": "1Gi",
    }
    with pytest.raises(errors.Forbidden, match="exceeded quota"):
        await admit("ResourceQuota", request("CREATE", "configmaps", {"metadata": {"name": "c2"}}))


TERM = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}


@pytest.mark.parametrize(
    ("spec", "given", "inside"),
    [
        pytest.param({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 5}, True, id="Terminating"),
        pytest.param({"scopes": ["NotTerminating"]}, {"activeDeadlineSeconds": 5}, False, id="NotTerminating"),
        pytest.param({"scopes": ["BestEffort"]}, {}, True, id="BestEffort"),
        pytest.param({"scopes": ["BestEffort"]}, {"containers": [container({"cpu": "1"})]}, False, id="not BestEffort"),
        pytest.param(
            {"scopes": ["NotBestEffort"]}, {"containers": [container({"cpu": "1"})]}, True, id="NotBestEffort"
        ),
        pytest.param(
            {"scopeSelector": {"matchExpressions": [TERM]}}, {"priorityClassName": "high"}, True, id="PriorityClass"
        ),
        pytest.param({"scopeSelector": {"matchExpressions": [TERM]}}, {}, False, id="other PriorityClass"),
    ],
)
def test_scopes(spec: Obj, given: Obj, inside: bool) -> None:
    """line 34: scopes."""
    assert quota.in_scope({"spec": spec}, "pods", "", pod(**given)) is inside


def test_pod_total_counts_init_steps_and_sidecars() -> None:
    spec = {
        "containers": [container({"cpu": "1"}), container({"cpu": "1"}, name="b")],
        "initContainers": [
            {**container({"cpu": "500m"}, name="side"), "restartPolicy": "Always"},
            container({"cpu": "4"}, name="init"),
        ],
        "overhead": {"cpu": "100m"},
    }
    assert quota.pod_total(spec, "requests") == {"cpu": Decimal("4.6")}
    assert quota.usage("pods", "", {"spec": spec, "status": {"phase": "Succeeded"}}) == {"count/pods": Decimal(1)}
