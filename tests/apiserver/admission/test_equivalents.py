"""A rule for one of two groups that serve the same objects is a rule for both: events of the core group and of events.k8s.io."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver import admission
from apiserver.admission.matching import GROUP
from apiserver.interfaces import AdmissionRequest, Operation
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import SCHEME, Obj, request
from tests.apiserver.admission.test_webhooks import configure
from tests.apiserver.admission.webhook_server import WebhookServer, allow, patch

ABOUT = {"kind": "Pod", "name": "web", "namespace": "default"}
CORE: Obj = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": ABOUT,
    "message": "said",
}
NEWER: Obj = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "regarding": ABOUT,
    "note": "said",
}
SIDES = [
    pytest.param("events", CORE, "events.k8s.io", "note", id="core to events.k8s.io"),
    pytest.param("events.events.k8s.io", NEWER, "", "message", id="events.k8s.io to core"),
]


def asked(resource: str, given: Obj, operation: Operation = "CREATE") -> AdmissionRequest:
    obj = {**given, "metadata": dict(given["metadata"])}
    return request(operation, resource, None if operation == "DELETE" else obj, None if operation == "CREATE" else obj)


def rule(group: str, version: str = "v1") -> Obj:
    return {"operations": ["*"], "apiGroups": [group], "apiVersions": [version], "resources": ["events"]}


@pytest.fixture
async def server(tmp_path: Path, cluster: MemoryCluster) -> AsyncIterator[WebhookServer]:
    async with WebhookServer(tmp_path, "hook.system.svc").serving() as found:
        service = {"clusterIP": "127.0.0.1", "ports": [{"port": found.port}]}
        cluster.put("", "services", {"metadata": {"name": "hook", "namespace": "system"}, "spec": service})
        found.replies["/a"] = allow()
        yield found


async def admit(cluster: MemoryCluster, one: AdmissionRequest) -> None:
    chain = admission.build(cluster, kind_of=SCHEME.by_gvk)
    try:
        await chain.mutate(one)
        await chain.validate(one)
    finally:
        await chain.close()


@pytest.mark.parametrize(("resource", "given", "group", "note"), SIDES)
@pytest.mark.parametrize("version", ["v1", "*"])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
async def test_a_webhook_gets_the_form_of_its_rule(
    cluster: MemoryCluster,
    server: WebhookServer,
    resource: str,
    given: Obj,
    group: str,
    note: str,
    version: str,
    operation: Operation,
) -> None:
    configure(cluster, server, "validating", {"name": "a", "rules": [rule(group, version)]})
    await admit(cluster, asked(resource, given, operation))
    sent = server.seen[0][2]["request"]
    assert sent["kind"] == {"group": group, "version": "v1", "kind": "Event"}
    assert sent["resource"] == {"group": group, "version": "v1", "resource": "events"}
    assert sent["requestResource"]["group"] == ("" if group else "events.k8s.io")
    for side in [sent["object"], sent["oldObject"]]:
        if side is not None:
            assert side["apiVersion"] == (f"{group}/v1" if group else "v1")
            assert side[note] == "said"
    assert (sent["object"] is None, sent["oldObject"] is None) == (operation == "DELETE", operation == "CREATE")


@pytest.mark.parametrize(("resource", "given", "group", "note"), SIDES)
async def test_a_patch_of_one_form_changes_the_other(
    cluster: MemoryCluster, server: WebhookServer, resource: str, given: Obj, group: str, note: str
) -> None:
    server.replies["/a"] = patch({"op": "replace", "path": f"/{note}", "value": "patched"})
    configure(cluster, server, "mutating", {"name": "a", "rules": [rule(group)]})
    one = asked(resource, given)
    await admit(cluster, one)
    assert one.obj is not None
    assert one.obj["apiVersion"] == given["apiVersion"]
    assert one.obj["message" if group else "note"] == "patched"
    assert note not in one.obj


@pytest.mark.parametrize(("resource", "given", "group", "note"), SIDES)
async def test_exactly_means_the_group_too(
    cluster: MemoryCluster, server: WebhookServer, resource: str, given: Obj, group: str, note: str
) -> None:
    configure(cluster, server, "validating", {"name": "a", "matchPolicy": "Exact", "rules": [rule(group)]})
    await admit(cluster, asked(resource, given))
    assert not server.seen


@pytest.mark.parametrize(("resource", "given", "group", "note"), SIDES)
async def test_a_policy_sees_the_form_of_its_rule(
    cluster: MemoryCluster, resource: str, given: Obj, group: str, note: str
) -> None:
    spec = {
        "matchConstraints": {"resourceRules": [rule(group)]},
        "validations": [{"expression": f"object.{note} != 'said' || request.resource.group != '{group}'"}],
    }
    cluster.put(GROUP, "validatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec})
    binding = {"metadata": {"name": "p"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
    cluster.put(GROUP, "validatingadmissionpolicybindings", binding)
    with pytest.raises(errors.Forbidden, match="failed expression"):
        await admit(cluster, asked(resource, given))
