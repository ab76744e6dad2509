"""Who is asked once more because the object changed: webhooks, policies and the built-in plugins."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from apiserver import admission
from apiserver.admission.matching import GROUP
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import SCHEME, Obj, pod, request
from tests.apiserver.admission.test_webhooks import configure
from tests.apiserver.admission.webhook_server import Reply, WebhookServer, allow, patch


def label(name: str, value: str = "true") -> Obj:
    return {"op": "replace", "path": f"/metadata/labels/{name}", "value": value}


def when(wanted: Callable[[Obj], bool], *operations: Obj) -> Reply:
    """Patches the objects of which something is true."""
    return lambda review: (patch(*operations) if wanted(review["request"]["object"]) else allow())(review)


def labelled(name: str) -> Callable[[Obj], bool]:
    return lambda obj: name in obj["metadata"]["labels"]


PRIORITY = (
    {"op": "add", "path": "/spec/priorityClassName", "value": "high"},
    {"op": "remove", "path": "/spec/priority"},
)
REPLIES = {
    "/noop": allow(),
    "/true": patch(label("fight", "true")),
    "/false": patch(label("fight", "false")),
    "/add": when(lambda obj: not labelled("a")(obj), label("a")),
    "/follow": when(labelled("a"), label("b")),
    "/priority": when(lambda obj: obj["spec"].get("priorityClassName") != "high", *PRIORITY),
}


def hook(name: str, *, again: bool = True, **fields: object) -> Obj:
    return {"name": name, "reinvocationPolicy": "IfNeeded" if again else "Never", **fields}


@pytest.fixture
async def server(tmp_path: Path, cluster: MemoryCluster) -> AsyncIterator[WebhookServer]:
    async with WebhookServer(tmp_path, "hook.system.svc").serving() as found:
        service = {"clusterIP": "127.0.0.1", "ports": [{"port": found.port}]}
        cluster.put("", "services", {"metadata": {"name": "hook", "namespace": "system"}, "spec": service})
        for name, value in (("low", 1), ("high", 10)):
            cluster.put("scheduling.k8s.io", "priorityclasses", {"metadata": {"name": name}, "value": value})
        found.replies |= REPLIES
        yield found


async def admitted(cluster: MemoryCluster) -> Obj:
    asked = request("CREATE", "pods", pod(priorityClassName="low"))
    assert asked.obj is not None
    asked.obj["metadata"]["labels"] = {"x": "true"}
    chain = admission.build(cluster, kind_of=SCHEME.by_gvk)
    try:
        await chain.mutate(asked)
    finally:
        await chain.close()
    return asked.obj


@pytest.mark.parametrize(
    ("hooks", "calls", "labels"),
    [
        pytest.param([hook("noop")], {"/noop": 1}, {}, id="nothing changes"),
        pytest.param([hook("add")], {"/add": 1}, {"a": "true"}, id="not for its own change"),
        pytest.param([hook("priority")], {"/priority": 2}, {}, id="for what a built-in plugin changed after it"),
        pytest.param([hook("priority", again=False)], {"/priority": 1}, {}, id="never, whatever changed"),
        pytest.param(
            [hook("add"), hook("follow")],
            {"/add": 2, "/follow": 1},
            {"a": "true", "b": "true"},
            id="for what a later one changed",
        ),
        pytest.param(
            [hook("true"), hook("false")],
            {"/true": 2, "/false": 2},
            {"fight": "false"},
            id="for what a reinvoked one changed",
        ),
        pytest.param(
            [hook("follow", objectSelector={"matchLabels": {"a": "true"}}), hook("add")],
            {"/add": 1},
            {"a": "true"},
            id="not for the first time",
        ),
        pytest.param(
            [hook("add"), hook("follow", objectSelector={"matchLabels": {"a": "true"}})],
            {"/add": 2, "/follow": 1},
            {"a": "true", "b": "true"},
            id="concerned through one before it",
        ),
        pytest.param(
            [hook("follow", again=False), hook("add", again=False)],
            {"/follow": 1, "/add": 1},
            {"a": "true"},
            id="never",
        ),
    ],
)
async def test_webhooks(
    cluster: MemoryCluster, server: WebhookServer, hooks: list[Obj], calls: dict[str, int], labels: Obj
) -> None:
    configure(cluster, server, "mutating", *hooks)
    done = await admitted(cluster)
    assert Counter(path.partition("?")[0] for path, _, _ in server.seen) == calls
    assert done["metadata"]["labels"] == {"x": "true", **labels}


def put_policy(cluster: MemoryCluster, name: str, *, again: bool, expression: str) -> None:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "reinvocationPolicy": "IfNeeded" if again else "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }
    cluster.put(GROUP, "mutatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    binding = {"metadata": {"name": name}, "spec": {"policyName": name}}
    cluster.put(GROUP, "mutatingadmissionpolicybindings", binding)


@pytest.mark.parametrize("again", [True, False], ids=["IfNeeded", "Never"])
async def test_a_policy_sees_what_a_webhook_changed(cluster: MemoryCluster, server: WebhookServer, again: bool) -> None:
    configure(cluster, server, "mutating", hook("add"))
    written = 'JSONPatch{op: "add", path: "/metadata/labels/seen", value: "true"}'
    put_policy(cluster, "p", again=again, expression=f'"a" in object.metadata.labels ? [{written}] : []')
    done = await admitted(cluster)
    assert done["metadata"]["labels"].get("seen") == ("true" if again else None)
    assert len(server.seen) == (2 if again else 1)  # the webhook sees what the policy changed


async def test_a_class_that_a_webhook_names_and_nobody_has(cluster: MemoryCluster, server: WebhookServer) -> None:
    named = {"op": "add", "path": "/spec/priorityClassName", "value": "none"}
    server.replies["/noop"] = patch(named)
    configure(cluster, server, "mutating", hook("noop"))
    with pytest.raises(errors.Forbidden, match="no PriorityClass with name none was found"):
        await admitted(cluster)
