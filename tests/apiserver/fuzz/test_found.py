"""Requests that once brought down a handler, each with the answer it must get."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.server import Client, pod
from tests.apiserver.test_protobuf import envelope, message

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


MAPS = "/api/v1/namespaces/default/configmaps"
HUGE = "9" * 20


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        pytest.param(f"{MAPS}?limit={HUGE}", 400, "value out of range", id="limit past 64 bits"),
        pytest.param(f"{MAPS}?limit=1_0", 400, "invalid syntax", id="limit as Python writes it"),
        pytest.param(f"{MAPS}?limit=%EF%BC%91", 400, "invalid syntax", id="limit in other digits"),
        pytest.param(f"{MAPS}?watch=1&timeoutSeconds={HUGE}", 400, "value out of range", id="timeout past 64 bits"),
        pytest.param(f"{MAPS}?limit=1&resourceVersion={HUGE}", 400, "value out of range", id="version past 64 bits"),
        pytest.param(f"{MAPS}?resourceVersion=%2B1", 400, "invalid syntax", id="version with a sign"),
        pytest.param(f"{MAPS}?resourceVersion={'0' * 9000}1", 400, "value out of range", id="version of many digits"),
        pytest.param(
            f"{MAPS}?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6OTk5OTk5OTk5OTk5OTk5OTk5OTksInN0YXJ0IjoiYSJ9",
            400, "invalid continue token", id="token of a version past 64 bits",
        ),
        pytest.param(f"{MAPS}?limit=%ff", 400, "invalid query string", id="no text"),
        pytest.param(f"{MAPS}?{'a=b&' * 20_000}", 400, "invalid query string", id="many parameters"),
    ],
)  # fmt: skip
async def test_parameter_is_refused(client: Client, path: str, status: int, message: str) -> None:
    answer = await client("GET", path)
    assert (answer.status, message in answer.message) == (status, True), answer.body


async def test_an_accept_of_many_clauses_is_read_so_far(client: Client) -> None:
    assert (await client("GET", MAPS, accept="a/b," * 50_000 + "application/json")).status == 406
    assert (await client("GET", MAPS, accept="application/json," + "a/b," * 50_000)).status == 200


PODS = "/api/v1/namespaces/default/pods"
_META, _SPEC = {"f1": "web", "f3": "default"}, {"f2": [message(f1="c", f2="i")]}


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [
        pytest.param(message(f1=2**40, f3="default"), message(**_SPEC), id="a number for a text: as many zeros, once"),
        pytest.param(message(f1=2**63), message(**_SPEC), id="a number for a text past 64 bits"),
        pytest.param(message(**_META, f8=message(f1=2**62)), message(**_SPEC), id="a moment that no clock shows"),
        pytest.param(message(**_META, f8=7), message(**_SPEC), id="a number for a moment"),
        pytest.param(message(**_META), message(f2=[3]), id="a number for a message"),
        pytest.param(message(**_META), 5, id="a number for the spec"),
    ],
)
async def test_protobuf_is_refused(client: Client, metadata: bytes, spec: Any) -> None:
    body = envelope("v1", "Pod", message(f1=metadata, f2=spec))
    answer = await client("POST", PODS, body, media="application/vnd.kubernetes.protobuf")
    assert answer.status in (400, 422), answer.body
