"""RBAC decisions from stored roles and bindings, and how they follow changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver import authz
from apiserver.authz import covering, rules
from apiserver.authz.rbac import GROUP
from apiserver.interfaces import RequestInfo, User
from apiserver.memory_cluster import MemoryCluster

Obj = dict[str, Any]
ANN = User("ann", groups=("dev", "system:authenticated"))


def rule(verbs: str, groups: str, resources: str, *names: str) -> Obj:
    made: Obj = {
        "verbs": verbs.split(),
        "apiGroups": ["" if g == "core" else g for g in groups.split()],
        "resources": resources.split(),
    }
    return {**made, "resourceNames": list(names)} if names else made


def role(name: str, *given: Obj, namespace: str = "") -> Obj:
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"metadata": meta, "rules": list(given)}


def binding(name: str, kind: str, role_name: str, subject: Obj, namespace: str = "") -> Obj:
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"metadata": meta, "roleRef": {"kind": kind, "name": role_name}, "subjects": [subject]}


def ask(verb: str, resource: str, *, group: str = "", namespace: str = "default", name: str = "") -> RequestInfo:
    plural, _, subresource = resource.partition("/")
    return RequestInfo(verb, "", True, group, "v1", plural, subresource, namespace, name)


def ann_with(given: Obj, *, where: str = "") -> MemoryCluster:
    """A cluster in which ann has one rule: everywhere, or in one namespace."""
    cluster = MemoryCluster()
    cluster.put(GROUP, "clusterroles", role("r", given))
    plural = "rolebindings" if where else "clusterrolebindings"
    cluster.put(GROUP, plural, binding("b", "ClusterRole", "r", {"kind": "User", "name": "ann"}, where))
    return cluster


@pytest.mark.parametrize(
    ("given", "request_", "allowed"),
    [
        pytest.param(rule("get", "core", "pods"), ask("get", "pods"), True, id="plain"),
        pytest.param(rule("get", "core", "pods"), ask("list", "pods"), False, id="other verb"),
        pytest.param(rule("get", "core", "pods"), ask("get", "pods", group="apps"), False, id="other group"),
        pytest.param(rule("get", "core", "pods"), ask("get", "pods/log"), False, id="a subresource is its own"),
        pytest.param(rule("get", "core", "pods/log"), ask("get", "pods/log"), True, id="subresource"),
        pytest.param(rule("get", "core", "pods/*"), ask("get", "pods/log"), False, id="pods/* means nothing"),
        pytest.param(rule("*", "*", "*"), ask("create", "pods/exec"), True, id="stars"),
        pytest.param(rule("get", "*", "*/scale"), ask("get", "deployments/scale", group="apps"), True, id="*/scale"),
        pytest.param(rule("get", "*", "*/scale"), ask("get", "deployments", group="apps"), False, id="*/scale only"),
        pytest.param(rule("get", "core", "pods", "web"), ask("get", "pods", name="web"), True, id="name"),
        pytest.param(rule("get", "core", "pods", "web"), ask("get", "pods", name="db"), False, id="other name"),
        pytest.param(rule("list", "core", "pods", "web"), ask("list", "pods"), False, id="a list has no name"),
        pytest.param(
            {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}, RequestInfo("get", "/healthz"), True, id="url"
        ),
        pytest.param(
            {"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, RequestInfo("get", "/api/v1"), True, id="url prefix"
        ),
        pytest.param(
            {"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, RequestInfo("get", "/apis"), False, id="not the prefix"
        ),
        pytest.param({"verbs": ["get"], "nonResourceURLs": ["*"]}, ask("get", "pods"), False, id="url is no resource"),
        pytest.param(rule("*", "*", "*"), RequestInfo("get", "/metrics"), False, id="resource is no url"),
    ],
)
def test_rules(given: Obj, request_: RequestInfo, allowed: bool) -> None:
    authorizer = authz.build(ann_with(given), ["RBAC"])
    for _ in range(2):  # the second answer comes from memory
        assert authorizer.authorize(ANN, request_).allowed is allowed


@pytest.mark.parametrize(
    ("subject", "user", "allowed"),
    [
        pytest.param({"kind": "User", "name": "ann"}, ANN, True, id="user"),
        pytest.param({"kind": "User", "name": "dev"}, ANN, False, id="a user is no group"),
        pytest.param({"kind": "Group", "name": "dev"}, ANN, True, id="group"),
        pytest.param(
            {"kind": "ServiceAccount", "name": "robot", "namespace": "shop"},
            User("system:serviceaccount:shop:robot"),
            True,
            id="service account",
        ),
        pytest.param(
            {"kind": "ServiceAccount", "name": "robot"},
            User("system:serviceaccount:default:robot"),
            True,
            id="own namespace",
        ),
    ],
)
def test_subjects(subject: Obj, user: User, allowed: bool) -> None:
    cluster = MemoryCluster()
    cluster.put(GROUP, "roles", role("r", rule("get", "core", "pods"), namespace="default"))
    cluster.put(GROUP, "rolebindings", binding("b", "Role", "r", subject, "default"))
    authorizer = authz.build(cluster, ["RBAC"])
    assert authorizer.authorize(user, ask("get", "pods")).allowed is allowed
    assert not authorizer.authorize(user, ask("get", "pods", namespace="other")).allowed


def test_namespace_of_a_role_binding() -> None:
    authorizer = authz.build(ann_with(rule("get", "core", "pods"), where="a"), ["RBAC"])
    assert authorizer.authorize(ANN, ask("get", "pods", namespace="a")).allowed
    assert not authorizer.authorize(ANN, ask("get", "pods", namespace="b")).allowed
    assert not authorizer.authorize(ANN, ask("list", "pods", namespace="")).allowed


def test_decisions_follow_changes() -> None:
    cluster = ann_with(rule("get", "core", "pods"))
    authorizer = authz.build(cluster, ["RBAC"])
    assert authorizer.authorize(ANN, ask("get", "pods")).allowed
    cluster.put(GROUP, "clusterroles", role("r", rule("list", "core", "pods")))
    assert not authorizer.authorize(ANN, ask("get", "pods")).allowed
    assert authorizer.authorize(ANN, ask("list", "pods")).allowed
    cluster.remove(GROUP, "clusterrolebindings", "", "b")
    assert not authorizer.authorize(ANN, ask("list", "pods")).allowed


def test_missing_role_is_the_reason() -> None:
    cluster = MemoryCluster()
    cluster.put(GROUP, "clusterrolebindings", binding("b", "ClusterRole", "gone", {"kind": "User", "name": "ann"}))
    decision = authz.build(cluster, ["RBAC"]).authorize(ANN, ask("get", "pods"))
    assert decision.reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'


def test_reason_names_the_binding() -> None:
    decision = authz.build(ann_with(rule("get", "core", "pods"), where="a"), ["RBAC"]).authorize(
        ANN, ask("get", "pods", namespace="a")
    )
    assert decision.reason == 'RBAC: allowed by RoleBinding "b/a" of ClusterRole "r" to User "ann"'


@pytest.mark.parametrize(
    ("modes", "user", "allowed"),
    [
        pytest.param(["RBAC"], User("root", groups=("system:masters",)), True, id="masters"),
        pytest.param(["RBAC"], ANN, False, id="nobody in particular"),
        pytest.param(["AlwaysAllow"], ANN, True, id="AlwaysAllow"),
        pytest.param(["AlwaysDeny", "AlwaysAllow"], ANN, True, id="no opinion goes on"),
        pytest.param([], ANN, False, id="no mode"),
    ],
)
def test_modes(modes: list[str], user: User, allowed: bool) -> None:
    assert authz.build(MemoryCluster(), modes).authorize(user, ask("get", "pods")).allowed is allowed


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="ABAC"):
        authz.build(MemoryCluster(), ["ABAC"])


@pytest.mark.parametrize(
    ("request_", "reason", "words"),
    [
        pytest.param(
            ask("list", "pods"),
            "",
            'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"',
            id="namespace",
        ),
        pytest.param(
            ask("get", "deployments/scale", group="apps", name="web"),
            "why",
            'deployments.apps "web" is forbidden: User "ann" cannot get resource "deployments/scale" in API group "apps" '
            'in the namespace "default": why',
            id="name, subresource, reason",
        ),
        pytest.param(
            ask("list", "nodes", namespace=""),
            "",
            'nodes is forbidden: User "ann" cannot list resource "nodes" in API group "" at the cluster scope',
            id="cluster",
        ),
        pytest.param(RequestInfo("get", "/x"), "", 'forbidden: User "ann" cannot get path "/x"', id="url"),
    ],
)
def test_denial(request_: RequestInfo, reason: str, words: str) -> None:
    assert authz.forbidden(ANN, request_, reason).message == words


async def test_rules_review() -> None:
    cluster = ann_with(rule("get", "core", "pods"))
    cluster.put(GROUP, "clusterroles", role("u", {"verbs": ["get"], "nonResourceURLs": ["/x"]}))
    cluster.put(GROUP, "clusterrolebindings", binding("u", "ClusterRole", "u", {"kind": "Group", "name": "dev"}))
    resources, urls, incomplete = await authz.build(cluster, ["Node", "RBAC"]).rules_for(ANN, "default")
    assert resources == [rule("get", "core", "pods")]
    assert urls == [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]
    assert not incomplete


words = (
    st.sampled_from(["get", "list", "*"]),
    st.sampled_from(["", "apps", "*"]),
    st.sampled_from(["pods", "pods/log", "*", "*/log"]),
)
random_rules = st.builds(
    lambda v, g, r, n: {"verbs": v, "apiGroups": g, "resources": r, **({"resourceNames": n} if n else {})},
    *(st.lists(w, min_size=1, max_size=2, unique=True) for w in words),
    st.lists(st.sampled_from(["web", "db"]), max_size=2, unique=True),
)


@settings(max_examples=150, deadline=None)
@given(
    owner=st.lists(random_rules, max_size=3),
    wanted=random_rules,
    verb=st.sampled_from(["get", "list", "delete"]),
    group=st.sampled_from(["", "apps", "batch"]),
    resource=st.sampled_from(["pods", "pods/log", "jobs", "jobs/log"]),
    name=st.sampled_from(["", "web", "db", "x"]),
)
def test_covering_never_grants_more(
    owner: list[Obj], wanted: Obj, verb: str, group: str, resource: str, name: str
) -> None:
    """Whoever covers a rule is allowed all that the rule allows."""
    request = ask(verb, resource, group=group, name=name)
    if covering.covers(owner, [wanted]) and rules.allows(wanted, request):
        assert any(rules.allows(o, request) for o in owner)
