"""binding, eviction, token, ephemeralcontainers, resize, reviews, and what leads to a kubelet."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from tests.apiserver.server import Client, deployment, pod

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def binding(node: str = "n1", **metadata: Any) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", **metadata},
        "target": {"kind": "Node", "name": node},
    }


@pytest.mark.parametrize("path", [f"{PODS}/p/binding", "/api/v1/namespaces/default/bindings"])
async def test_binding(client: Client, path: str) -> None:
    await client.ok("POST", PODS, pod())
    answer = await client("POST", path, binding(annotations={"a": "b"}))
    assert (answer.status, answer.json()["status"]) == (201, "Success")
    bound = await client.ok("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["metadata"]["annotations"] == {"a": "b"}
    (condition,) = [c for c in bound["status"]["conditions"] if c["type"] == "PodScheduled"]
    assert condition["status"] == "True"
    bound = await client.ok("GET", f"{PODS}/p")
    assert (bound["spec"]["nodeName"], bound["metadata"]["generation"]) == ("n1", 1)
    again = await client("POST", path, binding("n2"))
    assert again.status == 409
    assert 'pod p is already assigned to node "n1"' in again.message
    found = await client.ok("GET", f"{PODS}?fieldSelector=spec.nodeName%3Dn1")
    assert [item["metadata"]["name"] for item in found["items"]] == ["p"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(binding(uid="other"), 409, id="other uid"),
        pytest.param(binding(resourceVersion="1"), 409, id="other version"),
        pytest.param(binding(""), 422, id="no node"),
    ],
)
async def test_refused_bindings(client: Client, sent: Any, code: int) -> None:
    await client.ok("POST", PODS, pod())
    assert (await client("POST", f"{PODS}/p/binding", sent)).status == code
    assert "nodeName" not in (await client.ok("GET", f"{PODS}/p"))["spec"]


# Eviction


async def running_pod(client: Client) -> None:
    sent = pod()
    sent["metadata"]["labels"] = {"app": "x"}
    await client.ok("POST", PODS, sent)
    await client.ok("POST", f"{PODS}/p/binding", binding())
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await client.ok("PATCH", f"{PODS}/p/status", {"status": status}, media=STRATEGIC)


async def budget(client: Client, **status: Any) -> None:
    sent = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}},
    }
    made = await client.ok("POST", BUDGETS, sent)
    made["status"] = {
        "observedGeneration": 1,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "expectedPods": 1,
        "disruptionsAllowed": 0,
        **status,
    }
    await client.ok("PUT", f"{BUDGETS}/b/status", made)


def eviction(**options: Any) -> Any:
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}, "deleteOptions": options}


@pytest.mark.parametrize("version", ["policy/v1", "policy/v1beta1"])
async def test_eviction_without_a_budget(client: Client, version: str) -> None:
    """Clients of older versions say v1beta1."""
    await running_pod(client)
    answer = await client("POST", f"{PODS}/p/eviction", eviction() | {"apiVersion": version})
    assert answer.status == 201
    marked = await client.ok("GET", f"{PODS}/p")
    assert marked["metadata"]["deletionTimestamp"]
    (condition,) = [c for c in marked["status"]["conditions"] if c["type"] == "DisruptionTarget"]
    assert condition["reason"] == "EvictionByEvictionAPI"


async def test_an_exhausted_budget_refuses(client: Client) -> None:
    """line 49: behaviour 49"""
    await running_pod(client)
    await budget(client)
    answer = await client("POST", f"{PODS}/p/eviction", eviction())
    status = answer.json()
    assert (answer.status, status["reason"]) == (429, "TooManyRequests")
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = status["details"]["causes"]
    assert cause == {
        "reason": "DisruptionBudget",
        "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
    }
    assert "deletionTimestamp" not in (await client.ok("GET", f"{PODS}/p"))["metadata"]


async def test_a_budget_is_spent(client: Client) -> None:
    await running_pod(client)
    await budget(client, disruptionsAllowed=1, currentHealthy=2)
    assert (await client("POST", f"{PODS}/p/eviction", eviction())).status == 201
    status = (await client.ok("GET", f"{BUDGETS}/b"))["status"]
    assert status["disruptionsAllowed"] == 0
    assert list(status["disruptedPods"]) == ["p"]


# Tokens


async def test_token_without_a_key(client: Client) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await client("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", request)
    assert answer.status == 500


async def test_tokens(tokens_client: Client) -> None:
    """behaviour 76"""
    client = tokens_client
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    request: Any = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    }
    made = await client.ok("POST", path, request)
    claims = jwt.decode(made["status"]["token"], options={"verify_signature": False})
    assert claims["sub"] == "system:serviceaccount:default:default"
    assert claims["iss"].startswith("https://")
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "default"
    me = await client.acting_as(made["status"]["token"])(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )  # fmt: skip
    assert me.json()["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    short = await client("POST", path, {**request, "spec": {"expirationSeconds": 10}})
    assert short.status == 422
    assert "may not specify a duration less than 10 minutes" in short.message


# A pod's parts


async def test_ephemeral_containers_only_grow(client: Client) -> None:
    await client.ok("POST", PODS, pod())
    patch = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}}
    changed = await client.ok("PATCH", f"{PODS}/p/ephemeralcontainers", patch, media=STRATEGIC)
    assert [c["name"] for c in changed["spec"]["ephemeralContainers"]] == ["debug"]
    changed["spec"]["ephemeralContainers"] = []
    answer = await client("PUT", f"{PODS}/p/ephemeralcontainers", changed)
    assert answer.status == 422
    assert "may not be removed" in answer.message


async def test_resize_changes_resources_alone(client: Client) -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}
    await client.ok("POST", PODS, pod(containers=[{"name": "c", "image": "busybox", "resources": resources}]))
    patch = {"spec": {"containers": [{"name": "c", "image": "other", "resources": {"limits": {"cpu": "300m"}}}]}}
    changed = await client.ok("PATCH", f"{PODS}/p/resize", patch, media=STRATEGIC)
    (container,) = changed["spec"]["containers"]
    assert (container["image"], container["resources"]["limits"]) == ("busybox", {"cpu": "300m"})


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        pytest.param(f"{PODS}/p/log?tailLines=-1", 422, "must be greater than or equal to 0", id="tail"),
        pytest.param(f"{PODS}/p/log?container=x", 400, "container x is not valid for pod p", id="container"),
        pytest.param(f"{PODS}/none/log", 404, 'pods "none" not found', id="pod"),
        pytest.param(f"{PODS}/p/log", 200, "", id="not scheduled"),
        pytest.param(f"{PODS}/p/exec?stdout=1", 400, "at least one command", id="no command"),
        pytest.param(f"{PODS}/p/exec?command=ls", 400, "at least one of stdin, stdout, stderr", id="no stream"),
        pytest.param(f"{PODS}/p/exec?command=ls&stdout=1", 400, "does not have a host assigned", id="no host"),
        pytest.param(f"{PODS}/p/nothing", 404, "could not find", id="no such part"),
    ],
)
async def test_towards_the_kubelet(client: Client, path: str, code: int, words: str) -> None:
    await client.ok("POST", PODS, pod())
    answer = await client("GET", path)
    assert answer.status == code
    assert words in (answer.message if code >= 400 else "")


# Reviews


async def test_access_review(client: Client) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "ann", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}},
    }
    answer = await client("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert (answer.status, answer.json()["status"]["allowed"]) == (201, False)
    table = await client(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        review,
        accept="application/json;as=Table;g=meta.k8s.io;v=v1",
    )
    assert table.status == 406
    assert (await client("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews")).status == 405


@pytest.mark.parametrize(
    ("kind", "patch", "kept"),
    [
        pytest.param("deployment", {"labels": {"a": "b"}}, [], id="labels of deployments stay"),
        pytest.param(
            "deployment", {"annotations": {"a": "b"}}, ["annotations"], id="annotations of deployments change"
        ),
        pytest.param("pod", {"labels": {"a": "b"}}, ["labels"], id="labels of pods change"),
    ],
)
async def test_what_a_status_write_cannot_set_is_nobodys(
    client: Client, kind: str, patch: Any, kept: list[str]
) -> None:
    """line 24"""
    path, made = {"deployment": (DEPLOYMENTS, deployment()), "pod": (PODS, pod())}[kind]
    before = await client.ok("POST", f"{path}?fieldManager=author", made)
    where = f"{path}/{made['metadata']['name']}/status?fieldManager=loop"
    after = await client.ok("PATCH", where, {"metadata": patch, "status": {"observedGeneration": 1}}, media=MERGE)
    found = {e["manager"]: e["fieldsV1"] for e in after["metadata"]["managedFields"]}
    assert sorted(found["loop"]) == ["f:metadata"] * bool(kept) + ["f:status"]
    name = next(iter(patch))
    assert (after["metadata"].get(name) != before["metadata"].get(name)) is bool(kept)
