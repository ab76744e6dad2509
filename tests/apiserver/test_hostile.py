"""Whatever a client sends, the answer is a Status of its own fault, never a 500, and nothing half-written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.apiserver.server import Client, config_map, deployment, pod

DEFAULT = "/namespaces/default"
VALUES: list[Any] = [None, 0, -1, 1.5, "", "x", True, [], [None], [1], {}, {"": None}, {"a": {"b": []}}]
KINDS = {
    "configmaps": (f"/api/v1{DEFAULT}/configmaps", config_map("h")),
    "pods": (f"/api/v1{DEFAULT}/pods", pod("h")),
    "deployments": (f"/apis/apps/v1{DEFAULT}/deployments", deployment("h")),
    "services": (
        f"/api/v1{DEFAULT}/services",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "h"}, "spec": {"ports": [{"port": 80}]}},
    ),
    "namespaces": ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "h"}}),
    "customresourcedefinitions": (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "hs.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "hs", "kind": "H"},
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
                ],
            },
        },
    ),
}
METADATA = (
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "generateName",
    "namespace",
    "uid",
)


def variants(obj: Any) -> list[Any]:
    """The object with each part replaced by each value, two levels deep, and each kind of metadata."""
    found: list[Any] = []
    for name in obj:
        found += [{**obj, name: value} for value in VALUES]
        if isinstance(obj[name], dict):
            parts = (*obj[name], *METADATA) if name == "metadata" else obj[name]
            found += [{**obj, name: {**obj[name], part: value}} for part in parts for value in VALUES]
    return found


@pytest.mark.parametrize("plural", KINDS)
async def test_create(client: Client, plural: str) -> None:
    path, obj = KINDS[plural]
    for sent in variants(obj):
        answer = await client("POST", f"{path}?dryRun=All", sent)
        assert answer.status < 500, (sent, answer.body[:500])


@pytest.mark.parametrize("plural", KINDS)
async def test_update_and_patch(client: Client, plural: str) -> None:
    path, obj = KINDS[plural]
    made = await client.ok("POST", path, obj)
    target = f"{path}/{made['metadata']['name']}"
    for sent in variants(obj):
        for method, media, query in (
            ("PUT", "application/json", ""),
            ("PATCH", "application/merge-patch+json", ""),
            ("PATCH", "application/strategic-merge-patch+json", ""),
            ("PATCH", "application/apply-patch+yaml", "&fieldManager=h&force=true"),
        ):
            answer = await client(method, f"{target}?dryRun=All{query}", sent, media=media)
            assert answer.status < 500, (method, media, sent, answer.body[:500])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"\xff\xfe",
        b"{}",
        b'{"kind":1}',
        b"[" * 100_000,
        b'{"a":' * 600,
        b"\x00" * 10,
    ],
)
@pytest.mark.parametrize("media", ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"])
async def test_bodies(client: Client, body: bytes, media: str) -> None:
    path, _ = KINDS["pods"]
    answer = await client("POST", path, body, media=media)
    assert 400 <= answer.status < 500, answer.body[:300]
    deleted = await client("DELETE", f"{path}/none", body, media=media)
    assert 400 <= deleted.status < 500, deleted.body[:300]


@pytest.mark.parametrize("value", VALUES)
async def test_patch_documents(client: Client, value: Any) -> None:
    path, obj = KINDS["configmaps"]
    await client.ok("POST", path, obj)
    for media in ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"):
        query = "?fieldManager=h" if media.startswith("apply") else ""
        answer = await client("PATCH", f"{path}/h{query}", orjson.dumps(value), media=f"application/{media}")
        assert answer.status < 500, (media, value, answer.body[:300])


@pytest.mark.parametrize("part", ["scale", "status"])
@pytest.mark.parametrize("value", VALUES)
async def test_subresource_bodies(client: Client, part: str, value: Any) -> None:
    path, obj = KINDS["deployments"]
    made = await client.ok("POST", path, obj)
    kind = {"apiVersion": "autoscaling/v1", "kind": "Scale"} if part == "scale" else {}
    for sent in (
        {**made, **kind, "spec": value},
        {**made, **kind, "status": value},
        {**made, **kind, "metadata": value},
    ):
        answer = await client("PUT", f"{path}/h/{part}", sent)
        assert answer.status < 500, (sent, answer.body[:300])


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/api//v1",
        "/api/v1/",
        "/api/v1/namespaces//pods",
        "/apis/a/b/c/d/e/f/g",
        "/api/v1/pods/a/b/c/d",
        "/%00",
        "/openapi/v3/x",
    ],
)
async def test_paths(client: Client, path: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"):
        assert (await client(method, path)).status < 500
