"""The default roles: what components get from them, and how they are brought up to date without taking anything away."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver import authz
from apiserver.authz import bootstrap, covering
from apiserver.authz.rbac import GROUP
from apiserver.interfaces import RequestInfo, User
from apiserver.memory_cluster import MemoryCluster

Obj = dict[str, Any]


@pytest.fixture
async def cluster() -> MemoryCluster:
    found = MemoryCluster()
    await bootstrap.reconcile(found)
    return found


def ask(line: str, *, group: str = "", namespace: str = "default", name: str = "") -> RequestInfo:
    verb, _, resource = line.partition(" ")
    plural, _, subresource = resource.partition("/")
    return RequestInfo(verb, "", True, group, "v1", plural, subresource, namespace, name)


def sa(name: str) -> User:
    return User(f"system:serviceaccount:kube-system:{name}", groups=("system:serviceaccounts", "system:authenticated"))


SCHEDULER = User("system:kube-scheduler", groups=("system:authenticated",))
MANAGER = User("system:kube-controller-manager", groups=("system:authenticated",))
PROXY = User("system:kube-proxy", groups=("system:authenticated",))
ANYONE = User("ann", groups=("system:authenticated",))
NOBODY = User("system:anonymous", groups=("system:unauthenticated",))
JOINING = User(
    "system:bootstrap:abcdef", groups=("system:bootstrappers:kubeadm:default-node-token", "system:authenticated")
)


@pytest.mark.parametrize(
    ("user", "request_", "allowed"),
    [
        pytest.param(SCHEDULER, ask("create pods/binding"), True, id="scheduler binds"),
        pytest.param(SCHEDULER, ask("create pods"), False, id="scheduler makes no pods"),
        pytest.param(
            SCHEDULER,
            ask("update leases", group="coordination.k8s.io", namespace="kube-system", name="kube-scheduler"),
            True,
            id="scheduler leads",
        ),
        pytest.param(MANAGER, ask("list foos", group="example.com", namespace=""), True, id="manager lists all"),
        pytest.param(MANAGER, ask("create pods"), False, id="manager itself makes no pods"),
        pytest.param(
            MANAGER, ask("create serviceaccounts/token", name="x"), True, id="manager takes controllers' tokens"
        ),
        pytest.param(
            MANAGER,
            ask("get configmaps", namespace="kube-system", name="extension-apiserver-authentication"),
            True,
            id="manager reads CA",
        ),
        pytest.param(PROXY, ask("watch endpointslices", group="discovery.k8s.io", namespace=""), True, id="proxy"),
        pytest.param(PROXY, ask("list secrets", namespace=""), False, id="proxy reads no secrets"),
        pytest.param(
            sa("deployment-controller"), ask("create replicasets", group="apps"), True, id="deployment controller"
        ),
        pytest.param(sa("deployment-controller"), ask("create pods"), False, id="deployment controller makes no pods"),
        pytest.param(sa("replicaset-controller"), ask("create pods"), True, id="replicaset controller"),
        pytest.param(
            sa("generic-garbage-collector"), ask("delete foos", group="example.com"), True, id="garbage collector"
        ),
        pytest.param(
            ANYONE, ask("create selfsubjectaccessreviews", group="authorization.k8s.io", namespace=""), True, id="can-i"
        ),
        pytest.param(ANYONE, RequestInfo("get", "/openapi/v3"), True, id="openapi"),
        pytest.param(ANYONE, RequestInfo("get", "/metrics"), False, id="metrics"),
        pytest.param(NOBODY, RequestInfo("get", "/version"), True, id="anonymous version"),
        pytest.param(NOBODY, RequestInfo("get", "/api"), False, id="anonymous discovery"),
        pytest.param(
            NOBODY, ask("get configmaps", namespace="kube-public", name="cluster-info"), True, id="cluster-info"
        ),
        pytest.param(
            JOINING,
            ask("create certificatesigningrequests", group="certificates.k8s.io", namespace=""),
            True,
            id="join",
        ),
        pytest.param(
            JOINING,
            ask("create certificatesigningrequests/nodeclient", group="certificates.k8s.io", namespace=""),
            True,
            id="join approved",
        ),
        pytest.param(JOINING, ask("list pods", namespace=""), False, id="join reads no pods"),
        pytest.param(
            User("system:node:n", groups=("system:nodes",)),
            ask("get secrets", name="x"),
            False,
            id="node role is unbound",
        ),
    ],
)
def test_components(cluster: MemoryCluster, user: User, request_: RequestInfo, allowed: bool) -> None:
    assert authz.build(cluster, ["Node", "RBAC"]).authorize(user, request_).allowed is allowed


@pytest.mark.parametrize(
    ("role", "request_", "allowed"),
    [
        pytest.param("view", ask("list pods"), True, id="view pods"),
        pytest.param("view", ask("get secrets", name="x"), False, id="view no secrets"),
        pytest.param("view", ask("create pods/exec"), False, id="view no exec"),
        pytest.param("edit", ask("list pods"), True, id="edit gathers view"),
        pytest.param("edit", ask("get secrets", name="x"), True, id="edit secrets"),
        pytest.param("edit", ask("create deployments", group="apps"), True, id="edit deployments"),
        pytest.param("edit", ask("create rolebindings", group=GROUP), False, id="edit no roles"),
        pytest.param("admin", ask("create rolebindings", group=GROUP), True, id="admin roles"),
        pytest.param("admin", ask("create pods/exec"), True, id="admin gathers edit"),
        pytest.param("admin", ask("create resourcequotas"), False, id="admin no quotas"),
        pytest.param("cluster-admin", ask("delete nodes", namespace=""), True, id="cluster-admin"),
    ],
)
def test_peoples_roles(cluster: MemoryCluster, role: str, request_: RequestInfo, allowed: bool) -> None:
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "ann"}],
    }
    cluster.put(GROUP, "clusterrolebindings", binding)
    assert authz.build(cluster, ["RBAC"]).authorize(ANYONE, request_).allowed is allowed


def test_names_and_labels() -> None:
    roles = bootstrap.cluster_roles()
    assert len({r["metadata"]["name"] for r in roles}) == len(roles)
    bindings = bootstrap.cluster_role_bindings()
    names = {r["metadata"]["name"] for r in roles}
    assert all(b["roleRef"]["name"] in names for b in bindings)
    view = next(r for r in roles if r["metadata"]["name"] == "view")
    assert view["metadata"]["labels"] == {
        "kubernetes.io/bootstrapping": "rbac-defaults",
        "rbac.authorization.k8s.io/aggregate-to-edit": "true",
    }
    assert view["metadata"]["annotations"] == {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    assert view["aggregationRule"]["clusterRoleSelectors"] == [
        {"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}
    ]


async def test_reconcile_is_idempotent(cluster: MemoryCluster) -> None:
    assert await bootstrap.reconcile(cluster) == 0


async def test_reconcile_adds_and_never_takes_away(cluster: MemoryCluster) -> None:
    role = cluster.get(GROUP, "clusterroles", "", "system:kube-scheduler")
    assert role is not None
    extra = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    mine = {**role, "rules": [*role["rules"][3:], extra]}
    mine["metadata"] = {**role["metadata"], "labels": {"mine": "yes"}}
    cluster.put(GROUP, "clusterroles", mine)
    assert await bootstrap.reconcile(cluster) == 1
    after = cluster.get(GROUP, "clusterroles", "", "system:kube-scheduler")
    assert after is not None
    assert extra in after["rules"]
    assert covering.covers(after["rules"], role["rules"])
    assert after["metadata"]["labels"] == {"mine": "yes", "kubernetes.io/bootstrapping": "rbac-defaults"}


async def test_reconcile_leaves_what_says_so(cluster: MemoryCluster) -> None:
    role = cluster.get(GROUP, "clusterroles", "", "view")
    binding = cluster.get(GROUP, "clusterrolebindings", "", "system:discovery")
    assert role is not None and binding is not None
    off = {"annotations": {bootstrap.AUTOUPDATE: "false"}}
    cluster.put(GROUP, "clusterroles", {**role, "aggregationRule": None, "metadata": {**role["metadata"], **off}})
    cluster.put(GROUP, "clusterrolebindings", {**binding, "subjects": [], "metadata": {**binding["metadata"], **off}})
    assert await bootstrap.reconcile(cluster) == 0


async def test_reconcile_restores_subjects(cluster: MemoryCluster) -> None:
    binding = cluster.get(GROUP, "clusterrolebindings", "", "system:discovery")
    assert binding is not None
    cluster.put(GROUP, "clusterrolebindings", {**binding, "subjects": [{"kind": "User", "name": "x"}]})
    assert await bootstrap.reconcile(cluster) == 1
    after = cluster.get(GROUP, "clusterrolebindings", "", "system:discovery")
    assert after is not None
    assert [s["name"] for s in after["subjects"]] == ["x", "system:authenticated"]
