"""Requests that once brought down a handler, each with the answer it must get."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.server import Client, pod

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
JOBS = "/apis/batch/v1/namespaces/default/jobs"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", JOBS, {"apiVersion": "batch/v1", "kind": "Job"}, 422, id="job without a name"),
        pytest.param("DELETE", "/api/v1/namespaces/default", {"preconditions": 1}, 400, id="preconditions of a type"),
        pytest.param("DELETE", "/api/v1/namespaces/default", {"dryRun": 2147483648}, 400, id="dryRun of a type"),
        pytest.param(
            "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a"},
             "spec": {"group": "x", "names": {"kind": "A", "plural": "a"}, "scope": "Cluster",
                      "versions": [{"storage": True, "served": True}]}},
            422,
            id="stored version without a name",
        ),
        pytest.param(
            "PATCH", f"{CLASSES}/a?fieldManager=a", {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": 1}, 400,
            id="applied metadata of a type",
        ),
    ],
)  # fmt: skip
async def test_is_refused(client: Client, method: str, path: str, body: Any, status: int) -> None:
    media = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
    answer = await client(method, path, body, media=media)
    assert answer.status == status, answer.body


async def test_default_priority_class_without_a_value(client: Client) -> None:
    config = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "a"},
        "globalDefault": True,
    }
    await client.ok("POST", CLASSES, config)
    made = await client.ok("POST", "/api/v1/namespaces/default/pods", pod())
    assert made["spec"]["priority"] == 0


async def test_apply_to_a_list_whose_items_lack_their_keys(client: Client) -> None:
    path = "/api/v1/namespaces/default/services"
    meta = {"name": "a"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}]}}
    await client.ok("POST", path, service)
    broken = {**service, "status": {"conditions": [{"status": "True"}]}}
    await client("PUT", f"{path}/a/status", broken)
    for labels in ({"a": "1", "b": "2"}, {"a": "1"}):
        config = {"apiVersion": "v1", "kind": "Service", "metadata": {**meta, "labels": labels}}
        assert (await client.apply(f"{path}/a", config)).status == 200
