"""Webhooks over real TLS: what they are sent, which of them, and what their answers do."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver import admission, tracing
from apiserver.admission.matching import GROUP
from apiserver.admission.plugin import Setup
from apiserver.admission.plugins.mutating_admission_webhook import MutatingAdmissionWebhook
from apiserver.admission.plugins.validating_admission_webhook import ValidatingAdmissionWebhook
from apiserver.interfaces import AdmissionRequest
from apiserver.memory_cluster import MemoryCluster
from apiserver.request import Request
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import SCHEME, Obj, pod, request
from tests.apiserver.admission.webhook_server import WebhookServer, allow, deny, patch

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


@pytest.fixture
async def server(tmp_path: Path, cluster: MemoryCluster) -> AsyncIterator[WebhookServer]:
    async with WebhookServer(tmp_path, "hook.system.svc").serving() as found:
        service = {"clusterIP": "127.0.0.1", "ports": [{"port": found.port}]}
        cluster.put("", "services", {"metadata": {"name": "hook", "namespace": "system"}, "spec": service})
        yield found


def configure(cluster: MemoryCluster, server: WebhookServer, kind: str, *hooks: Obj, name: str = "c") -> None:
    made = []
    for hook in hooks:
        path = "/" + hook["name"]
        service = {"namespace": "system", "name": "hook", "path": path, "port": server.port}
        config = {"caBundle": server.ca_bundle, "service": service}
        defaults = {"rules": [RULE], "sideEffects": "None", "clientConfig": config, "admissionReviewVersions": ["v1"]}
        made.append({**defaults, **hook})
    cluster.put(GROUP, f"{kind}webhookconfigurations", {"metadata": {"name": name}, "webhooks": made})


async def mutate(cluster: MemoryCluster, asked: AdmissionRequest) -> Obj | None:
    chain = admission.Chain([MutatingAdmissionWebhook(Setup(cluster=cluster, kind_of=SCHEME.by_gvk))])
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(chain.close)
        await chain.mutate(asked)
    return asked.obj


async def validate(cluster: MemoryCluster, asked: AdmissionRequest) -> None:
    plugin = ValidatingAdmissionWebhook(Setup(cluster=cluster, kind_of=SCHEME.by_gvk))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(plugin.close)
        if pending := plugin.validate(asked):
            await pending


async def test_what_a_webhook_is_sent(cluster: MemoryCluster, server: WebhookServer) -> None:
    """line 26: objects of every operation reach a webhook."""
    server.replies["/a"] = allow(warnings=["mind this"], auditAnnotations={"k": "v"})
    configure(cluster, server, "validating", {"name": "a", "timeoutSeconds": 7})
    asked = request("CREATE", "pods", pod())
    await validate(cluster, asked)
    path, host, review = server.seen[0]
    assert path == "/a?timeout=7s"
    assert host == "hook.system.svc"
    sent = review["request"]
    assert review["apiVersion"] == "admission.k8s.io/v1"
    assert sent["kind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert sent["resource"] == {"group": "", "version": "v1", "resource": "pods"}
    assert (sent["operation"], sent["name"], sent["namespace"]) == ("CREATE", "web", "default")
    assert sent["object"] == pod() and sent["oldObject"] is None
    assert sent["userInfo"]["username"] == "kubernetes-admin"
    assert sent["options"]["kind"] == "CreateOptions"
    assert asked.warnings == ["mind this"]
    assert asked.annotations == {"a/k": "v"}


async def test_a_webhook_is_told_the_trace(cluster: MemoryCluster, server: WebhookServer) -> None:
    server.replies["/a"] = allow()
    configure(cluster, server, "validating", {"name": "a"})
    await validate(cluster, request("CREATE", "pods", pod()))
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    scope = {"method": "POST", "path": "/x", "headers": [(b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())]}
    token = tracing.CURRENT.set(Request(scope, unused, unused))
    try:
        await validate(cluster, request("CREATE", "pods", pod()))
    finally:
        tracing.CURRENT.reset(token)
    begun, passed = server.traces
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", begun)
    assert passed.startswith(f"00-{trace}-") and passed.endswith("-01")
    assert "00f067aa0ba902b7" not in passed


@pytest.mark.parametrize(
    ("left", "told"),
    [pytest.param(30.0, "10s", id="longer"), pytest.param(3.4, "4s", id="shorter")],
)
@pytest.mark.parametrize("kind", ["mutating", "validating"])
async def test_a_webhook_has_no_longer_than_the_request(
    cluster: MemoryCluster, server: WebhookServer, kind: str, left: float, told: str
) -> None:
    server.replies["/a"] = allow()
    configure(cluster, server, kind, {"name": "a"})
    with within(left):
        await (mutate if kind == "mutating" else validate)(cluster, request("CREATE", "pods", pod()))
    assert server.seen[0][0] == f"/a?timeout={told}"


@pytest.mark.parametrize("kind", ["mutating", "validating"])
async def test_when_the_request_is_late_no_failure_is_ignored(
    cluster: MemoryCluster, server: WebhookServer, kind: str
) -> None:
    """Nothing is written for a client that was told that it came to nothing."""
    server.replies["/a"] = lambda _: None
    configure(cluster, server, kind, {"name": "a", "failurePolicy": "Ignore"})
    with within(0.05), pytest.raises(errors.Timeout, match="did not complete within requested timeout"):
        await (mutate if kind == "mutating" else validate)(cluster, request("CREATE", "pods", pod()))


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """As part of answering a request that may take so long."""
    current = Request({"method": "POST", "path": "/x", "headers": []}, unused, unused)
    current.deadline = asyncio.get_running_loop().time() + seconds
    token = tracing.CURRENT.set(current)
    try:
        yield
    finally:
        tracing.CURRENT.reset(token)


async def unused(*_: Any) -> Any:
    """A request that is neither read nor answered."""


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        pytest.param({"message": "no"}, 400, 'admission webhook "a" denied the request: no', id="message"),
        pytest.param(
            {"reason": "Because", "code": 403}, 403, 'admission webhook "a" denied the request: Because', id="reason"
        ),
        pytest.param({}, 400, 'admission webhook "a" denied the request without explanation', id="nothing"),
    ],
)
@pytest.mark.parametrize("kind", ["mutating", "validating"])
async def test_denied(
    cluster: MemoryCluster, server: WebhookServer, kind: str, status: Obj, code: int, words: str
) -> None:
    """line 27: a denial refuses in the webhook's words."""
    server.replies["/a"] = deny(**status)
    configure(cluster, server, kind, {"name": "a"})
    with pytest.raises(errors.StatusError) as refused:
        await (mutate if kind == "mutating" else validate)(cluster, request("CREATE", "pods", pod()))
    assert (refused.value.code, refused.value.message) == (code, words)


def labels(**wanted: str) -> Obj:
    return {"matchLabels": wanted}


@pytest.mark.parametrize(
    ("hook", "asked", "concerned"),
    [
        pytest.param({}, request("CREATE", "pods", pod()), True, id="rule"),
        pytest.param({}, request("UPDATE", "pods", pod(), pod()), False, id="operation"),
        pytest.param({}, request("CREATE", "pods/binding", pod()), False, id="subresource"),
        pytest.param(
            {"rules": [{**RULE, "resources": ["pods/*"]}]}, request("CREATE", "pods/binding", pod()), True, id="pods/*"
        ),
        pytest.param(
            {"rules": [{**RULE, "resources": ["*/binding"]}]},
            request("CREATE", "pods/binding", pod()),
            True,
            id="*/binding",
        ),
        pytest.param(
            {"rules": [{**RULE, "resources": ["*"]}]}, request("CREATE", "pods/binding", pod()), False, id="*"
        ),
        pytest.param({"rules": [{**RULE, "resources": ["*/*"]}]}, request("CREATE", "pods", pod()), True, id="*/*"),
        pytest.param({"rules": [{**RULE, "scope": "Cluster"}]}, request("CREATE", "pods", pod()), False, id="scope"),
        pytest.param({"namespaceSelector": labels(team="a")}, request("CREATE", "pods", pod()), True, id="namespace"),
        pytest.param(
            {"namespaceSelector": labels(team="b")}, request("CREATE", "pods", pod()), False, id="other namespace"
        ),
        pytest.param({"objectSelector": labels(app="x")}, request("CREATE", "pods", pod()), False, id="object"),
        pytest.param(
            {"matchConditions": [{"name": "c", "expression": "object.metadata.name == 'web'"}]},
            request("CREATE", "pods", pod()),
            True,
            id="condition",
        ),
        pytest.param(
            {"matchConditions": [{"name": "c", "expression": "request.userInfo.username != 'kubernetes-admin'"}]},
            request("CREATE", "pods", pod()),
            False,
            id="condition says no",
        ),
        pytest.param(
            {"failurePolicy": "Ignore", "matchConditions": [{"name": "c", "expression": "object.nothing"}]},
            request("CREATE", "pods", pod()),
            False,
            id="condition fails, ignored",
        ),
        pytest.param(
            {"rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]},
            request("DELETE", "configmaps", None, {"metadata": {"name": "c"}}),
            True,
            id="delete",
        ),
        pytest.param(
            {
                "rules": [
                    {"operations": ["CREATE"], "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "resources": ["*"]}
                ]
            },
            request("CREATE", "horizontalpodautoscalers.autoscaling", {"metadata": {"name": "h"}}),
            True,
            id="equivalent version",
        ),
        pytest.param(
            {
                "matchPolicy": "Exact",
                "rules": [
                    {"operations": ["CREATE"], "apiGroups": ["autoscaling"], "apiVersions": ["v9"], "resources": ["*"]}
                ],
            },
            request("CREATE", "horizontalpodautoscalers.autoscaling", {"metadata": {"name": "h"}}),
            False,
            id="exact version",
        ),
    ],
)
async def test_which_requests(
    cluster: MemoryCluster, server: WebhookServer, hook: Obj, asked: AdmissionRequest, concerned: bool
) -> None:
    """line 28: selectors, conditions and rules choose."""
    cluster.put("", "namespaces", {"metadata": {"name": "default", "labels": {"team": "a"}}})
    server.replies["/a"] = allow()
    configure(cluster, server, "validating", {"name": "a", **hook})
    await validate(cluster, asked)
    assert bool(server.seen) is concerned


async def test_failing_condition_refuses(cluster: MemoryCluster, server: WebhookServer) -> None:
    configure(
        cluster, server, "validating", {"name": "a", "matchConditions": [{"name": "c", "expression": "object.nothing"}]}
    )
    with pytest.raises(errors.Forbidden, match="no such key: nothing"):
        await validate(cluster, request("CREATE", "pods", pod()))


async def test_configurations_are_exempt(cluster: MemoryCluster) -> None:
    """line 28: webhooks are never asked about webhooks."""
    plugin = ValidatingAdmissionWebhook(Setup(cluster=cluster))
    kind = SCHEME.by_plural(GROUP, "v1", "validatingwebhookconfigurations")
    assert kind is not None and not plugin.interested(kind, "DELETE", "")


async def test_patches_follow_each_other(cluster: MemoryCluster, server: WebhookServer) -> None:
    server.replies["/a"] = patch({"op": "add", "path": "/metadata/labels", "value": {"a": "1"}})
    server.replies["/b"] = patch({"op": "add", "path": "/metadata/labels/b", "value": "2"})
    configure(cluster, server, "mutating", {"name": "a", "reinvocationPolicy": "IfNeeded"}, {"name": "b"})
    asked = request("CREATE", "pods", pod())
    done = await mutate(cluster, asked)
    assert done is not None and done is asked.obj
    assert asked.changed_outside
    assert [path for path, _, _ in server.seen] == ["/a?timeout=10s", "/b?timeout=10s", "/a?timeout=10s"]
    assert server.seen[2][2]["request"]["object"]["metadata"]["labels"] == {"a": "1", "b": "2"}


async def test_the_audit_log_is_told_what_hooks_did(cluster: MemoryCluster, server: WebhookServer) -> None:
    """By the round and the place among all hooks; what changes nothing is told of too, what is not asked is not."""
    operation = {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}
    server.replies.update({"/a": allow(), "/c": patch(operation)})
    nobody = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"]}
    hooks = ({"name": "a", "reinvocationPolicy": "IfNeeded"}, {"name": "b", "rules": [nobody]}, {"name": "c"})
    configure(cluster, server, "mutating", *hooks)
    asked = request("CREATE", "pods", pod())
    await mutate(cluster, asked)
    mutation = "mutation.webhook.admission.k8s.io/"
    assert {name: orjson.loads(text) for name, text in asked.annotations.items()} == {
        f"{mutation}round_0_index_0": {"configuration": "c", "webhook": "a", "mutated": False},
        f"{mutation}round_0_index_2": {"configuration": "c", "webhook": "c", "mutated": True},
        f"{mutation}round_1_index_0": {"configuration": "c", "webhook": "a", "mutated": False},
        "patch.webhook.admission.k8s.io/round_0_index_2": {
            "configuration": "c",
            "webhook": "c",
            "patch": [operation],
            "patchType": "JSONPatch",
        },
    }


async def test_an_added_container_gets_what_all_get(cluster: MemoryCluster, server: WebhookServer) -> None:
    """line 30: defaults come after mutation too."""
    server.replies["/a"] = patch(
        {"op": "add", "path": "/spec/containers/-", "value": {"name": "sidecar", "image": "s"}}
    )
    configure(cluster, server, "mutating", {"name": "a"})
    asked = request("CREATE", "pods", pod())
    chain = admission.build(cluster, kind_of=SCHEME.by_gvk)
    await chain.mutate(asked)
    await chain.close()
    assert asked.obj is not None
    spec = asked.obj["spec"]
    assert [len(c["volumeMounts"]) for c in spec["containers"]] == [1, 1]
    assert len(spec["volumes"]) == 1
    assert spec["containers"][1]["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("reply", "hook", "words"),
    [
        pytest.param(lambda _: None, {"timeoutSeconds": 1}, "context deadline exceeded", id="timeout"),
        pytest.param(allow(http=500), {}, "failed calling webhook", id="http 500"),
        pytest.param(lambda _: {"uid": "x", "allowed": True}, {}, "expected response.uid", id="uid"),
        pytest.param(allow(patchType="JSONPatch", patch="!!"), {}, "invalid response.patch", id="patch"),
        pytest.param(
            allow(), {"clientConfig": {"url": "https://127.0.0.1:1/x"}}, "failed to call webhook", id="nobody there"
        ),
        pytest.param(
            allow(),
            {"clientConfig": {"service": {"namespace": "x", "name": "y"}}},
            'service "y" not found',
            id="no service",
        ),
        pytest.param(
            allow(), {"clientConfig": {"url": "https://x", "caBundle": "eA=="}}, "root certificates", id="bad CA"
        ),
    ],
)
@pytest.mark.parametrize("ignored", [False, True], ids=["Fail", "Ignore"])
async def test_failures(
    cluster: MemoryCluster, server: WebhookServer, reply: Any, hook: Obj, words: str, ignored: bool
) -> None:
    """line 27: failures by policy, and a timeout names the deadline."""
    server.replies["/a"] = reply
    configure(cluster, server, "validating", {"name": "a", "failurePolicy": "Ignore" if ignored else "Fail", **hook})
    asked = request("CREATE", "pods", pod())
    if ignored:
        await validate(cluster, asked)
        assert asked.annotations["failed-open.validating.webhook.admission.k8s.io/round_0_index_0"] == "a"
        return
    with pytest.raises(errors.InternalError) as failed:
        await validate(cluster, asked)
    assert failed.value.message.startswith('Internal error occurred: failed calling webhook "a": ')
    assert words in failed.value.message


async def test_slow_hooks_do_not_add_up(cluster: MemoryCluster, server: WebhookServer) -> None:
    """line 29: validating hooks run side by side."""
    for name in "abc":
        server.replies[f"/{name}"] = lambda _: None
    hooks = [{"name": n, "timeoutSeconds": 1, "failurePolicy": "Ignore"} for n in "abc"]
    configure(cluster, server, "validating", *hooks)
    asked = request("CREATE", "pods", pod())
    await validate(cluster, asked)
    assert len(server.seen) == 3  # all were asked before the first gave up


async def test_dry_run(cluster: MemoryCluster, server: WebhookServer) -> None:
    configure(cluster, server, "validating", {"name": "a", "sideEffects": "Some"})
    asked = request("CREATE", "pods", pod())
    asked.dry_run = True
    with pytest.raises(errors.BadRequest, match="does not support dry run"):
        await validate(cluster, asked)


async def test_new_configuration_works_at_once(cluster: MemoryCluster, server: WebhookServer) -> None:
    """line 31: without a restart."""
    plugin = ValidatingAdmissionWebhook(Setup(cluster=cluster))
    assert plugin.validate(request("CREATE", "pods", pod())) is None
    server.replies["/a"] = allow()
    configure(cluster, server, "validating", {"name": "a"})
    pending = plugin.validate(request("CREATE", "pods", pod()))
    assert pending is not None
    await pending
    await plugin.close()
    cluster.remove(GROUP, "validatingwebhookconfigurations", "", "c")
    assert plugin.validate(request("CREATE", "pods", pod())) is None
