"""Everything that is no resource: discovery, OpenAPI, health, version, metrics; and paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from apiserver.handlers.discovery import version_order
from apiserver.handlers.version import commit
from apiserver.openapi import gnostic
from apiserver.paths import parse, remainder
from tests.apiserver.server import Client

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList,application/json"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param("GET", "/api/v1/pods", ("list", "", "v1", "pods", "", "", ""), id="all"),
        pytest.param("GET", "/api/v1/namespaces/n/pods", ("list", "", "v1", "pods", "", "n", ""), id="of a namespace"),
        pytest.param("GET", "/api/v1/namespaces/n/pods/p", ("get", "", "v1", "pods", "", "n", "p"), id="one"),
        pytest.param("PUT", "/api/v1/namespaces/n/pods/p/status", ("update", "", "v1", "pods", "status", "n", "p"), id="status"),
        pytest.param("GET", "/api/v1/namespaces/n", ("get", "", "v1", "namespaces", "", "n", "n"), id="namespace"),
        pytest.param("PUT", "/api/v1/namespaces/n/finalize", ("update", "", "v1", "namespaces", "finalize", "n", "n"), id="finalize"),
        pytest.param("GET", "/api/v1/namespaces", ("list", "", "v1", "namespaces", "", "", ""), id="namespaces"),
        pytest.param(
            "DELETE", "/apis/apps/v1/namespaces/n/deployments", ("deletecollection", "apps", "v1", "deployments", "", "n", ""),
            id="collection",
        ),
        pytest.param("POST", "/apis/apps/v1/namespaces/n/deployments", ("create", "apps", "v1", "deployments", "", "n", ""), id="create"),
        pytest.param("GET", "/api/v1/watch/namespaces/n/pods", ("watch", "", "v1", "pods", "", "n", ""), id="watch path"),
        pytest.param("GET", "/api/v1/nodes/n1/proxy/stats/summary", ("get", "", "v1", "nodes", "proxy", "", "n1"), id="proxy"),
    ],
)  # fmt: skip
def test_paths(method: str, path: str, expected: tuple[str, ...]) -> None:
    info = parse(method, path)
    assert info.is_resource
    assert (info.verb, info.group, info.version, info.resource, info.subresource, info.namespace, info.name) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/openapi/v2"]
)
def test_paths_without_a_resource(path: str) -> None:
    info = parse("GET", path)
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


def test_remainder() -> None:
    path = "/api/v1/namespaces/n/services/http:web:80/proxy/a/b"
    assert remainder(path, parse("GET", path)) == "/a/b"


# Discovery


@pytest.mark.parametrize("path", ["/api", "/api/", "/apis", "/apis/"])
async def test_roots_answer_alike(client: Client, path: str) -> None:
    """behaviour 18"""
    answer = await client("GET", path)
    assert answer.json() == (await client("GET", path.rstrip("/"))).json()
    assert answer.headers["cache-control"] == "no-cache, private"


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_aggregated_discovery(client: Client, version: str) -> None:
    """behaviour 19"""
    answer = await client("GET", "/apis", accept=AGGREGATED.format(version))
    found = answer.json()
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", f"apidiscovery.k8s.io/{version}")
    assert "as=APIGroupDiscoveryList" in answer.headers["content-type"]
    names = [item["metadata"]["name"] for item in found["items"]]
    assert len(names) == len(set(names))
    apps = next(item for item in found["items"] if item["metadata"]["name"] == "apps")
    deployments = next(r for r in apps["versions"][0]["resources"] if r["resource"] == "deployments")
    assert deployments["shortNames"] == ["deploy"]
    assert {"scale", "status"} == {sub["subresource"] for sub in deployments["subresources"]}
    again = await client("GET", "/apis", accept=AGGREGATED.format(version), if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["content-type"] == answer.headers["content-type"]


async def test_aggregated_core(client: Client) -> None:
    found = await client.ok("GET", "/api", accept=AGGREGATED.format("v2"))
    (group,) = found["items"]
    resources = {r["resource"]: r for r in group["versions"][0]["resources"]}
    assert resources["pods"]["scope"] == "Namespaced"
    assert resources["nodes"]["scope"] == "Cluster"
    assert resources["pods"]["responseKind"]["kind"] == "Pod"


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1"])
async def test_discovery_forms(client: Client, path: str) -> None:
    """The same with a slash at the end, not elsewhere; as YAML; and refused in a form that is none."""
    found = await client.ok("GET", path)
    assert await client.ok("GET", path + "/") == found
    answer = await client("GET", path, accept="application/yaml")
    assert (answer.headers["content-type"], yaml.safe_load(answer.body)) == ("application/yaml", found)
    assert (await client("GET", path, accept="application")).status == 406


async def test_legacy_discovery(client: Client) -> None:
    assert (await client.ok("GET", "/api"))["versions"] == ["v1"]
    groups = await client.ok("GET", "/apis")
    assert next(g for g in groups["groups"] if g["name"] == "autoscaling")["preferredVersion"]["version"] == "v2"
    listed = await client.ok("GET", "/api/v1")
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", "v1")
    by_name = {r["name"]: r for r in listed["resources"]}
    assert by_name["pods/eviction"]["kind"] == "Eviction"
    assert by_name["pods"]["verbs"] == [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ]
    assert (await client("GET", "/apis/nothing.io")).status == 404
    assert (await client("GET", "/apis/apps/v9")).status == 404


def test_versions_in_order() -> None:
    given = ["v1alpha1", "v2", "v1", "v1beta2", "v11alpha2", "foo", "v10", "v1beta1"]
    ordered = ["v10", "v2", "v1", "v1beta2", "v1beta1", "v11alpha2", "v1alpha1", "foo"]
    assert sorted(given, key=lambda version: version_order(version, ())) == ordered


# OpenAPI


async def test_openapi_v3(client: Client) -> None:
    """line 21: v3 has paths beside schemas."""
    index = await client.ok("GET", "/openapi/v3")
    entry = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    assert entry.startswith("/openapi/v3/apis/apps/v1?hash=")
    answer = await client("GET", entry)
    assert answer.headers["cache-control"].endswith("immutable")
    document = answer.json()
    assert "io.k8s.api.apps.v1.Deployment" in document["components"]["schemas"]
    assert "io.k8s.api.core.v1.PodSpec" in document["components"]["schemas"]
    get = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["get"]
    assert get["operationId"] == "readAppsV1NamespacedDeployment"
    assert _dangling(document, document["components"]["schemas"], "#/components/schemas/") == set()
    assert (await client("GET", "/openapi/v3/apis/nothing/v1")).status == 404


async def test_openapi_v2(client: Client) -> None:
    """line 21: for clients that read v2."""
    document = await client.ok("GET", "/openapi/v2")
    assert document["swagger"] == "2.0"
    assert _dangling(document, document["definitions"], "#/definitions/") == set()
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    proto = await client("GET", "/openapi/v2", accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    assert proto.headers["content-type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert proto.body == gnostic.encode(document)
    assert proto.body.startswith(b"\n\x032.0\x12")


def _dangling(value: Any, defined: Any, prefix: str) -> set[str]:
    """References to what is not defined."""
    found: set[str] = set()
    if isinstance(value, dict):
        found = {v.removeprefix(prefix) for k, v in value.items() if k == "$ref" and isinstance(v, str)} - set(defined)
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        found |= _dangling(item, defined, prefix)
    return found


# Health, version, metrics


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/etcd", "/livez/ping"])
async def test_health(client: Client, path: str) -> None:
    answer = await client("GET", path)
    assert (answer.status, answer.body) == (200, b"ok")
    anonymous = await client("GET", path, authorization="")
    assert anonymous.status == (200 if path.count("/") == 1 else 403)


async def test_verbose_health(client: Client) -> None:
    answer = await client("GET", "/readyz?verbose")
    assert b"[+]etcd ok\n" in answer.body
    assert answer.body.endswith(b"readyz check passed\n")
    client.server.api.stopping = True
    failed = await client("GET", "/readyz")
    assert failed.status == 500
    assert b"[-]shutdown failed: reason withheld" in failed.body
    assert (await client("GET", "/livez")).status == 200
    assert (await client("GET", "/readyz/none")).status == 404


async def test_version(client: Client) -> None:
    version = await client.ok("GET", "/version")
    assert (version["major"], version["minor"]) == ("1", "37")
    assert version["gitVersion"].startswith("v1.37.0+pocketkube")
    assert re.fullmatch("[0-9a-f]{40}", version["gitCommit"])


async def test_metrics(client: Client) -> None:
    registry = CollectorRegistry()
    registry.register(client.server.api.requests)
    await client("GET", "/api/v1/namespaces/default/configmaps/none")
    text = generate_latest(registry).decode()
    (line,) = [x for x in text.splitlines() if x.startswith("apiserver_request_total{") and 'code="404"' in x]
    assert 'resource="configmaps",scope="resource"' in line
    assert 'verb="GET"' in line
    assert line.endswith(" 1.0")
    assert 'apiserver_current_inflight_requests{request_kind="readOnly"} 0.0' in text
    answer = await client("GET", "/metrics")
    assert b'apiserver_storage_objects{resource="namespaces"} 4.0' in answer.body


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/nothing", 404), ("POST", "/version", 405), ("GET", "/", 200)]
)
async def test_others(client: Client, method: str, path: str, code: int) -> None:
    assert (await client(method, path)).status == code


async def test_what_every_cluster_has(client: Client) -> None:
    found = await client.ok("GET", "/api/v1/namespaces")
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} == {
        n["metadata"]["name"] for n in found["items"]
    }
    service = await client.ok("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    endpoints = await client.ok("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "192.0.2.1"}]
    slices = await client.ok("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes")
    assert slices["endpoints"][0]["addresses"] == ["192.0.2.1"]
    await client.ok("GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")
    await client.ok("GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes")
    await client.ok("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"HEAD": "ref: refs/heads/main\n", "refs/heads/main": "abc\n"}, "abc", id="branch"),
        pytest.param(
            {"HEAD": "ref: refs/heads/main\n", "packed-refs": "# x\nabc refs/heads/main\n"}, "abc", id="packed"
        ),
        pytest.param({"HEAD": "abc\n"}, "abc", id="detached"),
        pytest.param({}, "0" * 40, id="no checkout"),
    ],
)
def test_the_commit_of_a_checkout(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert commit(tmp_path) == expected
