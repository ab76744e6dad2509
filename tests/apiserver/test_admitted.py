"""What webhooks are told of requests that are more than a plain write of one object, over the API."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.storage.memory import MemoryStore
from tests.apiserver.admission.webhook_server import WebhookServer, allow, patch
from tests.apiserver.server import Client, config_map, pod, running

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
EVERYTHING = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
DEFAULT = "/api/v1/namespaces/default"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[WebhookServer]:
    async with WebhookServer(tmp_path, "127.0.0.1").serving() as server:
        server.replies["/a"] = allow(warnings=["mind this"])
        yield server


async def ask(client: Client, hook: WebhookServer, rule: Any = EVERYTHING, *, at: str = HOOKS) -> None:
    """From now on the hook is asked."""
    config = {"url": f"https://127.0.0.1:{hook.port}/a", "caBundle": hook.ca_bundle}
    made = {"name": "a.example.com", "rules": [rule], "clientConfig": config, "sideEffects": "None"}
    body = {"metadata": {"name": "a"}, "webhooks": [{**made, "admissionReviewVersions": ["v1"]}]}
    await client.ok("POST", at, body)
    await client.ok("GET", f"{at}/a")


def told(hook: WebhookServer) -> Any:
    """The request of the last review."""
    return hook.seen[-1][2]["request"]


async def test_one_of_a_collection_has_no_name(hook: WebhookServer, client: Client) -> None:
    await client.ok("POST", f"{DEFAULT}/configmaps", config_map("c", labels={"app": "x"}))
    await ask(client, hook)
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    await client.ok("DELETE", f"{DEFAULT}/configmaps?labelSelector=app%3Dx", options)
    found = told(hook)
    assert (found["operation"], found.get("name"), found["oldObject"]["metadata"]["name"]) == ("DELETE", None, "c")
    assert (found["options"]["apiVersion"], found["options"]["propagationPolicy"]) == ("meta.k8s.io/v1", "Background")


async def test_a_scale_is_seen_and_changed_as_such(hook: WebhookServer, client: Client) -> None:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    sets = "/apis/apps/v1/namespaces/default/replicasets"
    await client.ok("POST", sets, {"metadata": {"name": "r"}, "spec": spec})
    await ask(client, hook, {**EVERYTHING, "resources": ["replicasets/scale"]}, at=MUTATING)
    hook.replies["/a"] = patch({"op": "replace", "path": "/spec/replicas", "value": 2})
    change = {"spec": {"replicas": 5}}
    answer = await client.ok("PATCH", f"{sets}/r/scale", change, media="application/merge-patch+json")
    found = told(hook)
    assert (found["kind"]["kind"], found["resource"]["resource"], found["subResource"]) == (
        "Scale",
        "replicasets",
        "scale",
    )
    assert (found["object"]["spec"], found["oldObject"]["spec"]) == ({"replicas": 5}, {"replicas": 1})
    assert answer["spec"] == {"replicas": 2}
    assert (await client.ok("GET", f"{sets}/r"))["spec"]["replicas"] == 2


@pytest.mark.parametrize("path", ["exec", "attach?stdin=1", "portforward?ports=80", "proxy/x"])
async def test_connections_are_admitted_first(hook: WebhookServer, client: Client, path: str) -> None:
    """Before anything else is found wrong with them, and its warnings come with the refusal."""
    await client.ok("POST", f"{DEFAULT}/pods", pod())
    await ask(client, hook)
    answer = await client("POST", f"{DEFAULT}/pods/p/{path}")
    assert answer.status >= 400
    assert told(hook)["operation"] == "CONNECT"
    assert told(hook)["subResource"] == path.partition("?")[0].partition("/")[0]
    assert answer.warnings == ['299 - "mind this"']


async def test_bindings_are_admitted_as_what_they_are(hook: WebhookServer, client: Client) -> None:
    await client.ok("POST", f"{DEFAULT}/pods", pod())
    await ask(client, hook)
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert (await client("POST", f"{DEFAULT}/bindings", binding)).status == 201
    found = told(hook)
    assert (found["resource"]["resource"], found.get("subResource"), found["name"]) == ("bindings", None, "p")


async def test_questions_are_admitted(hook: WebhookServer, client: Client) -> None:
    await ask(client, hook)
    question = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    answer = await client("POST", ACCESS, question)
    assert (answer.status, answer.warnings) == (201, ['299 - "mind this"'])
    assert told(hook)["kind"]["kind"] == "SelfSubjectAccessReview"


async def test_a_broken_webhook_does_not_keep_a_server_from_starting(hook: WebhookServer, tmp_path: Path) -> None:
    """Although it has something to write that the webhook is asked about."""
    store = MemoryStore()
    async with running(tmp_path, store) as client:
        hook.replies["/a"] = allow(http=500)
        await ask(client, hook)
        assert (await client("POST", f"{DEFAULT}/configmaps", config_map("c"))).status == 500
    ca = tmp_path / "ca.crt"
    ca.write_bytes(base64.b64decode(hook.ca_bundle))
    async with running(tmp_path, store, requestheader_client_ca_file=str(ca)) as client:
        await client.ok("DELETE", f"{HOOKS}/a")
        await client.ok("GET", HOOKS)  # as new as the deletion, and so is what is asked
        assert (await client("POST", f"{DEFAULT}/configmaps", config_map("c"))).status == 201


@pytest.mark.parametrize(("asked", "given"), [("4s", "4s"), ("30s", "10s"), ("", "10s")])
async def test_a_hook_has_what_the_client_leaves_it(
    hook: WebhookServer, client: Client, asked: str, given: str
) -> None:
    await ask(client, hook)
    query = f"?timeout={asked}" if asked else ""
    await client.ok("POST", f"{DEFAULT}/configmaps{query}", config_map("c"))
    assert hook.seen[-1][0] == f"/a?timeout={given}"


async def test_an_event_is_changed_in_the_form_of_the_rule(hook: WebhookServer, client: Client) -> None:
    events = {"operations": ["*"], "apiGroups": ["events.k8s.io"], "apiVersions": ["v1"], "resources": ["events"]}
    await ask(client, hook, events, at=MUTATING)
    hook.replies["/a"] = patch({"op": "replace", "path": "/note", "value": "patched"})
    about = {"kind": "ConfigMap", "namespace": "default", "name": "c"}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "message": "said", "reason": "R", "type": "Normal"}
    made = await client.ok("POST", f"{DEFAULT}/events", event)
    assert (made["apiVersion"], made["message"], "note" in made) == ("v1", "patched", False)
    assert told(hook)["object"]["regarding"] == about
    await client.ok("PATCH", f"{DEFAULT}/events/e", {"count": 2}, media="application/merge-patch+json")
    found = told(hook)
    assert (found["object"]["deprecatedCount"], found["oldObject"]["note"]) == (2, "patched")
    await client.ok("DELETE", f"{DEFAULT}/events/e")
    assert told(hook)["oldObject"]["apiVersion"] == "events.k8s.io/v1"
