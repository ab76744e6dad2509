"""The file of --authorization-config, and the policies of --authorization-policy-file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from apiserver import authz
from apiserver.authz import configuration
from apiserver.authz.abac import Policies
from apiserver.authz.configuration import Mode, Webhook
from apiserver.interfaces import RequestInfo, User
from apiserver.memory_cluster import MemoryCluster

Obj = dict[str, Any]

WEBHOOK: Obj = {
    "timeout": "3s",
    "authorizedTTL": "1m",
    "unauthorizedTTL": "500ms",
    "subjectAccessReviewVersion": "v1",
    "matchConditionSubjectAccessReviewVersion": "v1",
    "failurePolicy": "Deny",
    "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/etc/judge.kubeconfig"},
    "matchConditions": [{"expression": "has(request.resourceAttributes)"}],
}
RBAC: Obj = {"type": "RBAC", "name": "rbac"}


def text(*authorizers: Obj) -> str:
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return yaml.safe_dump({**head, "authorizers": list(authorizers)})


def webhook(**changes: Any) -> Obj:
    given = {name: value for name, value in {**WEBHOOK, **changes}.items() if value is not None}
    return {"type": "Webhook", "name": "judge", "webhook": given}


def test_a_file() -> None:
    expected = Webhook(
        kubeconfig="/etc/judge.kubeconfig",
        version="v1",
        timeout=3.0,
        authorized_seconds=60.0,
        unauthorized_seconds=0.5,
        denies_on_failure=True,
        conditions=("has(request.resourceAttributes)",),
    )
    assert configuration.parse(text(webhook(), RBAC)) == (Mode(type="Webhook", webhook=expected), Mode(type="RBAC"))


@pytest.mark.parametrize(
    ("authorizers", "wrong"),
    [
        pytest.param([], "at least one authorization mode must be defined", id="none"),
        pytest.param([{"name": "x"}], "authorizers[0].type: Required value", id="no type"),
        pytest.param([{"type": "Magic", "name": "x"}], 'Unsupported value: "Magic"', id="another type"),
        pytest.param([RBAC, {**RBAC, "name": "y"}], 'authorizers[1].type: Duplicate value: "RBAC"', id="twice"),
        pytest.param([RBAC, {**RBAC, "type": "Node"}], 'name: Duplicate value: "rbac"', id="a name twice"),
        pytest.param([{"type": "RBAC"}], "authorizers[0].name: Required value", id="no name"),
        pytest.param([{**RBAC, "name": "A B"}], "authorizer name is invalid", id="a bad name"),
        pytest.param([{**RBAC, "webhook": {}}], "may only be specified when type=Webhook", id="no webhook"),
        pytest.param([{"type": "Webhook", "name": "w"}], "required when type=Webhook", id="nothing about it"),
        pytest.param([webhook(timeout=None)], "webhook.timeout: Required value", id="no timeout"),
        pytest.param([webhook(timeout="31s")], "must be <= 30s", id="too long"),
        pytest.param([webhook(timeout="soon")], "invalid duration", id="no duration"),
        pytest.param([webhook(failurePolicy="Ignore")], "failurePolicy: Unsupported value", id="another policy"),
        pytest.param([webhook(connectionInfo={})], "connectionInfo.type: Required value", id="no connection"),
        pytest.param(
            [webhook(connectionInfo={"type": "KubeConfigFile"})], "kubeConfigFile: Required value", id="no file"
        ),
        pytest.param([webhook(matchConditions=[{"expression": "request."}])], "compilation failed", id="broken CEL"),
        pytest.param(
            [webhook(matchConditionSubjectAccessReviewVersion=None)], "required if match conditions", id="no version"
        ),
    ],
)
def test_mistakes(authorizers: list[Obj], wrong: str) -> None:
    with pytest.raises(ValueError, match="authorizers") as caught:
        configuration.parse(text(*authorizers))
    assert wrong in str(caught.value)


def test_a_changed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file, ann, request = tmp_path / "authorization.yaml", User("ann"), RequestInfo("get", "/version")
    file.write_text(text(RBAC))
    found = authz.Composition(MemoryCluster(), file=str(file))
    rbac = found.authorizers[0]
    assert not found.authorize(ann, request).allowed
    file.write_text(text(RBAC, {"type": "AlwaysAllow", "name": "all"}))
    found.look()
    assert found.authorize(ann, request).allowed
    assert found.authorizers[0] is rbac
    file.write_text("nonsense")
    found.look()
    assert found.authorize(ann, request).allowed


@pytest.mark.parametrize("mode", ["ABAC", "Webhook", "Magic"])
def test_modes_that_lack_something(mode: str) -> None:
    with pytest.raises(ValueError, match=mode):
        authz.build(MemoryCluster(), [mode])


def policies(*specs: Obj) -> Policies:
    head = {"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy"}
    return Policies([b"# who may", b"", *(orjson.dumps({**head, "spec": spec}) for spec in specs)])


def pods(verb: str, namespace: str = "shop", group: str = "") -> RequestInfo:
    return RequestInfo(verb, "/x", True, group, "v1", "pods", namespace=namespace)


ALL_PODS = {"resource": "pods", "namespace": "*", "apiGroup": "*"}


@pytest.mark.parametrize(
    ("spec", "request_info", "allowed"),
    [
        pytest.param({"user": "ann", **ALL_PODS}, pods("create"), True, id="by name"),
        pytest.param({"user": "bob", **ALL_PODS}, pods("create"), False, id="of another"),
        pytest.param({"group": "dev", **ALL_PODS}, pods("create"), True, id="by group"),
        pytest.param({"user": "ann", "group": "ops", **ALL_PODS}, pods("get"), False, id="both must be true"),
        pytest.param(ALL_PODS, pods("get"), True, id="everybody known"),
        pytest.param({"user": "*", "readonly": True, **ALL_PODS}, pods("create"), False, id="for reading"),
        pytest.param({"user": "*", **ALL_PODS, "namespace": "other"}, pods("get"), False, id="elsewhere"),
        pytest.param({"user": "*", "resource": "pods", "namespace": "*"}, pods("get"), True, id="the core group"),
        pytest.param({"user": "*", "resource": "pods", "namespace": "*"}, pods("get", group="x"), False, id="a group"),
        pytest.param({"user": "*", "nonResourcePath": "/ver*"}, RequestInfo("get", "/version"), True, id="a path"),
        pytest.param({"user": "*", "nonResourcePath": "/api"}, RequestInfo("get", "/version"), False, id="not it"),
    ],
)
def test_policies(spec: Obj, request_info: RequestInfo, allowed: bool) -> None:
    ann = User("ann", "", ("dev", "system:authenticated"))
    decision = policies(spec).authorize(ann, request_info)
    assert (decision.allowed, decision.reason) == (allowed, "" if allowed else "No policy matched.")


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"kind": "Policy"}'])
def test_lines_that_are_no_policy(line: bytes) -> None:
    with pytest.raises(ValueError, match="line 2"):
        Policies([b"# first", line])
