"""Which schema takes which request, by the defaults of a new cluster."""

from __future__ import annotations

import pytest

from apiserver.flowcontrol import defaults, matching
from apiserver.interfaces import User
from apiserver.paths import parse
from pocketkube.api.scheme import builtin

AUTHENTICATED = "system:authenticated"


def schema_of(user: User, method: str, path: str) -> str:
    info = parse(method, path)
    ordered = sorted(defaults.schemas(), key=lambda obj: (obj["spec"]["matchingPrecedence"], obj["metadata"]["name"]))
    return str(next(obj["metadata"]["name"] for obj in ordered if matching.matches(obj["spec"], user, info)))


def account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups=groups)


ADMIN = User("admin", groups=("system:masters", AUTHENTICATED))
NODE = User("system:node:a", groups=("system:nodes", AUTHENTICATED))
SCHEDULER = User("system:kube-scheduler", groups=(AUTHENTICATED,))
ANN = User("ann", groups=(AUTHENTICATED,))
NOBODY = User("system:anonymous", groups=("system:unauthenticated",))
LEASES = "/apis/coordination.k8s.io/v1/namespaces"


@pytest.mark.parametrize(
    ("user", "method", "path", "schema"),
    [
        pytest.param(ADMIN, "DELETE", "/api/v1/pods", "exempt", id="masters"),
        pytest.param(NOBODY, "GET", "/readyz", "probes", id="probe"),
        pytest.param(NOBODY, "GET", "/version", "global-default", id="anonymous"),
        pytest.param(NODE, "PATCH", "/api/v1/nodes/a/status", "system-node-high", id="node status"),
        pytest.param(NODE, "PUT", f"{LEASES}/kube-node-lease/leases/a", "system-node-high", id="node lease"),
        pytest.param(NODE, "GET", "/api/v1/pods", "system-nodes", id="node"),
        pytest.param(SCHEDULER, "PUT", f"{LEASES}/kube-system/leases/s", "system-leader-election", id="leader"),
        pytest.param(SCHEDULER, "PUT", f"{LEASES}/default/leases/s", "kube-scheduler", id="another lease"),
        pytest.param(SCHEDULER, "POST", "/api/v1/namespaces/a/pods/b/binding", "kube-scheduler", id="scheduler"),
        pytest.param(account("kube-system", "x"), "GET", "/api/v1/pods", "kube-system-service-accounts", id="system"),
        pytest.param(
            account("kube-system", "x"), "PUT", f"{LEASES}/a/leases/b", "workload-leader-election", id="its lease"
        ),
        pytest.param(account("default", "x"), "GET", "/api/v1/pods", "service-accounts", id="service account"),
        pytest.param(ANN, "GET", "/api/v1/pods", "global-default", id="person"),
    ],
)  # fmt: skip
def test_default_schemas(user: User, method: str, path: str, schema: str) -> None:
    assert schema_of(user, method, path) == schema


def test_the_defaults_are_valid_and_complete() -> None:
    scheme = builtin()
    for obj in defaults.levels() + defaults.schemas():
        kind = scheme.by_gvk("flowcontrol.apiserver.k8s.io", "v1", obj["kind"])
        assert kind is not None
        spec = obj["spec"]
        assert kind.schema.decode(obj, mode="Strict") == []
        assert kind.default is not None
        kind.default(obj)
        assert obj["spec"] == spec
        assert kind.validate is not None
        assert kind.validate(obj) == []


RULE = {"subjects": [{"kind": "User", "user": {"name": "ann"}}]}


@pytest.mark.parametrize(
    ("rule", "method", "path", "expected"),
    [
        pytest.param({"resources": ["pods/log"]}, "GET", "/api/v1/namespaces/a/pods/b/log", True, id="subresource"),
        pytest.param({"resources": ["pods"]}, "GET", "/api/v1/namespaces/a/pods/b/log", False, id="not the whole"),
        pytest.param({"namespaces": ["a"]}, "GET", "/api/v1/namespaces/a/pods", True, id="namespace"),
        pytest.param({"namespaces": ["a"]}, "GET", "/api/v1/namespaces/b/pods", False, id="another namespace"),
        pytest.param({"namespaces": ["a"]}, "GET", "/api/v1/pods", False, id="all namespaces"),
        pytest.param({"clusterScope": True}, "GET", "/api/v1/nodes", True, id="cluster scope"),
        pytest.param({"verbs": ["list"]}, "GET", "/api/v1/namespaces/a/pods/b", False, id="verb"),
    ],
)
def test_resource_rules(rule: dict[str, object], method: str, path: str, expected: bool) -> None:
    whole = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], **rule}
    spec = {"rules": [{**RULE, "resourceRules": [whole]}]}
    assert matching.matches(spec, ANN, parse(method, path)) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [("/healthz/*", True), ("/healthz/etcd", True), ("*", True), ("/healthz", False), ("/health*", False)],
)
def test_path_rules(url: str, expected: bool) -> None:
    spec = {"rules": [{**RULE, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": [url]}]}]}
    assert matching.matches(spec, ANN, parse("GET", "/healthz/etcd")) is expected
