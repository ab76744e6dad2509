"""The four kinds of PATCH, on objects, status and scale."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.server import Client, config_map, deployment, pod

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        pytest.param(MERGE, {"data": {"a": None, "b": "2"}}, id="merge"),
        pytest.param(STRATEGIC, {"data": {"a": None, "b": "2"}}, id="strategic"),
        pytest.param(
            JSON, [{"op": "remove", "path": "/data/a"}, {"op": "add", "path": "/data/b", "value": "2"}], id="json"
        ),
    ],
)
async def test_patches(client: Client, media: str, patch: Any) -> None:
    await client.ok("POST", CONFIG_MAPS, config_map(a="1", c="3"))
    assert (await client.ok("PATCH", f"{CONFIG_MAPS}/c", patch, media=media))["data"] == {"b": "2", "c": "3"}


async def test_strategic_merges_lists_by_key(client: Client) -> None:
    """line 15: lists merge by key."""
    await client.ok("POST", DEPLOYMENTS, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    changed = await client.ok("PATCH", f"{DEPLOYMENTS}/web", patch, media=STRATEGIC)
    (container,) = changed["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "nginx:2"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert changed["metadata"]["generation"] == 2


@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
async def test_status_patch(client: Client, media: str) -> None:
    """line 12: a patch of status changes status alone."""
    await client.ok("POST", PODS, pod())
    patch = {"status": {"phase": "Running", "podIP": "10.0.0.1"}, "spec": {"nodeName": "n"}}
    changed = await client.ok("PATCH", f"{PODS}/p/status", patch, media=media)
    assert (changed["status"]["phase"], changed["status"]["podIP"]) == ("Running", "10.0.0.1")
    assert "nodeName" not in changed["spec"]
    fields = {(e["manager"], e.get("subresource", "")) for e in changed["metadata"]["managedFields"]}
    assert ("unknown", "status") in fields


async def test_stale_version_in_a_patch_conflicts(client: Client) -> None:
    """line 14: only a stale version that was given conflicts."""
    made = await client.ok("POST", CONFIG_MAPS, config_map(a="1"))
    await client.ok("PATCH", f"{CONFIG_MAPS}/c", {"data": {"a": "2"}}, media=MERGE)
    patch = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    answer = await client("PATCH", f"{CONFIG_MAPS}/c", patch, media=MERGE)
    assert (answer.status, answer.json()["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(
    ("media", "patch", "code", "words"),
    [
        pytest.param("text/plain", {}, 415, "415: Unsupported Media Type", id="media type"),
        pytest.param("application/json", {}, 415, "415: Unsupported Media Type", id="json is no patch"),
        pytest.param(MERGE, {"metadata": {"name": "x"}}, 400, "does not match the name on the URL", id="rename"),
        pytest.param(MERGE, {"kind": "Secret"}, 422, "unknown conversion", id="kind"),
        pytest.param(MERGE, {"data": {"a": 1}}, 422, "cannot unmarshal number", id="type"),
        pytest.param(JSON, [{"op": "test", "path": "/data/a", "value": "x"}], 422, "", id="test fails"),
        pytest.param(JSON, [{"op": "jump", "path": "/"}], 422, "the server rejected our request", id="operation"),
    ],
)
async def test_bad_patches(client: Client, media: str, patch: Any, code: int, words: str) -> None:
    made = await client.ok("POST", CONFIG_MAPS, config_map(a="1"))
    answer = await client("PATCH", f"{CONFIG_MAPS}/c", patch, media=media)
    assert answer.status == code, answer.body
    assert words in answer.message
    assert await client.ok("GET", f"{CONFIG_MAPS}/c") == made


# Server-side apply


async def test_apply_creates_then_owns(client: Client) -> None:
    """line 13: apply creates what is missing."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    answer = await client.apply(f"{CONFIG_MAPS}/c", config)
    assert answer.status == 201
    again = await client.apply(f"{CONFIG_MAPS}/c", config)
    assert (again.status, again.json()) == (200, answer.json())
    (entry,) = answer.json()["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("tester", "Apply")
    dropped = await client.apply(f"{CONFIG_MAPS}/c", {**config, "data": {"b": "2"}})
    assert dropped.json()["data"] == {"b": "2"}


async def test_apply_conflicts_until_forced(client: Client) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    await client.apply(f"{CONFIG_MAPS}/c", config)
    changed = {**config, "data": {"a": "2"}}
    answer = await client.apply(f"{CONFIG_MAPS}/c", changed, fieldManager="other")
    assert answer.status == 409
    (cause,) = answer.json()["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.a")
    assert 'conflict with "tester"' in cause["message"]
    forced = await client.apply(f"{CONFIG_MAPS}/c", changed, fieldManager="other", force="true")
    assert forced.json()["data"] == {"a": "2"}


async def test_apply_dry_run(client: Client) -> None:
    """line 13: apply honours dry run."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    assert (await client.apply(f"{CONFIG_MAPS}/c", config, dryRun="All")).status == 201
    assert (await client("GET", f"{CONFIG_MAPS}/c")).status == 404


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        pytest.param(
            {"fieldManager": ""}, 422, "fieldManager: Required value: is required for apply patch", id="no manager"
        ),
        pytest.param({"fieldValidation": "Strict"}, 400, "wrong", id="unknown field"),
    ],
)
async def test_bad_applies(client: Client, params: dict[str, str], code: int, words: str) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "wrong": {"a": "1"}}
    answer = await client.apply(f"{CONFIG_MAPS}/c", config, **params)
    assert answer.status == code
    assert words in answer.message


async def test_apply_of_status(client: Client) -> None:
    await client.ok("POST", DEPLOYMENTS, deployment())
    config = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "status": {"conditions": [{"type": "Probe", "status": "True"}]},
    }
    answer = await client.apply(f"{DEPLOYMENTS}/web/status", config)
    assert answer.json()["status"]["conditions"][0]["type"] == "Probe"
    assert answer.json()["spec"]["replicas"] == 1


# Scale


async def test_scale(client: Client) -> None:
    """line 78: the scale's selector is text."""
    await client.ok("POST", DEPLOYMENTS, deployment(replicas=2))
    scale = await client.ok("GET", f"{DEPLOYMENTS}/web/scale")
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
    assert scale["status"]["selector"] == "app=web"
    scale["spec"]["replicas"] = 3
    assert (await client.ok("PUT", f"{DEPLOYMENTS}/web/scale", scale))["spec"] == {"replicas": 3}
    stale = await client("PUT", f"{DEPLOYMENTS}/web/scale", scale)
    assert stale.status == 409
    patched = await client.ok("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}, media=MERGE)
    assert patched["spec"] == {}
    stored = await client.ok("GET", f"{DEPLOYMENTS}/web")
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (0, 3)


async def test_scale_below_nothing(client: Client) -> None:
    await client.ok("POST", DEPLOYMENTS, deployment())
    answer = await client("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}}, media=MERGE)
    assert answer.status == 422
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in answer.message
