"""The node authorizer: what each node reaches through the pods bound to it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver import authz
from apiserver.authz import references
from apiserver.interfaces import RequestInfo, User
from apiserver.memory_cluster import MemoryCluster

Obj = dict[str, Any]
N1 = User("system:node:n1", groups=("system:nodes", "system:authenticated"))


def pod(name: str, node: str, **spec: Any) -> Obj:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"nodeName": node, "serviceAccountName": "robot", "containers": [], **spec},
    }


@pytest.fixture
def cluster() -> MemoryCluster:
    found = MemoryCluster()
    env = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "env-secret"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "env-config"}}},
    ]
    volumes = [
        {"name": "a", "secret": {"secretName": "vol-secret"}},
        {"name": "b", "projected": {"sources": [{"configMap": {"name": "projected-config"}}]}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "disk"}},
        {"name": "d", "ephemeral": {}},
    ]
    spec = {
        "containers": [{"name": "x", "env": env, "envFrom": [{"secretRef": {"name": "from-secret"}}]}],
        "volumes": volumes,
        "imagePullSecrets": [{"name": "pull"}],
    }
    found.put("", "pods", pod("web", "n1", **spec))
    found.put("", "pods", pod("other", "n2", volumes=[{"name": "a", "secret": {"secretName": "n2-secret"}}]))
    pv = {
        "claimRef": {"namespace": "shop", "name": "disk"},
        "csi": {"nodeStageSecretRef": {"name": "stage", "namespace": "csi"}},
    }
    found.put("", "persistentvolumes", {"metadata": {"name": "pv1"}, "spec": pv})
    found.put("storage.k8s.io", "volumeattachments", {"metadata": {"name": "va1"}, "spec": {"nodeName": "n1"}})
    found.put("storage.k8s.io", "volumeattachments", {"metadata": {"name": "va2"}, "spec": {"nodeName": "n2"}})
    return found


def ask(line: str, name: str = "", *, namespace: str = "shop", group: str = "", fields: str = "") -> RequestInfo:
    verb, _, resource = line.partition(" ")
    plural, _, subresource = resource.partition("/")
    return RequestInfo(verb, "", True, group, "v1", plural, subresource, namespace, name, fields)


COORDINATION, STORAGE = "coordination.k8s.io", "storage.k8s.io"
ALLOWED = [
    ask("get secrets", "env-secret"),
    ask("watch secrets", "vol-secret"),
    ask("get secrets", "from-secret"),
    ask("get secrets", "pull"),
    ask("get secrets", "stage", namespace="csi"),
    ask("list configmaps", "env-config"),
    ask("get configmaps", "projected-config"),
    ask("get persistentvolumeclaims", "disk"),
    ask("get persistentvolumeclaims", "web-d"),
    ask("patch persistentvolumeclaims/status", "disk"),
    ask("get persistentvolumes", "pv1", namespace=""),
    ask("get volumeattachments", "va1", namespace="", group=STORAGE),
    ask("create serviceaccounts/token", "robot"),
    ask("list pods", namespace="", fields="spec.nodeName=n1"),
    ask("watch pods", namespace="", fields="spec.nodeName=n1"),
    ask("get pods", "web"),
    ask("delete pods", "web"),
    ask("patch pods/status", "web"),
    ask("create pods/eviction", "web"),
    ask("create nodes", namespace=""),
    ask("get nodes", "n1", namespace=""),
    ask("watch nodes", namespace="", fields="metadata.name=n1"),
    ask("patch nodes/status", "n1", namespace=""),
    ask("list services", namespace=""),
    ask("create events"),
    ask("create leases", namespace="kube-node-lease", group=COORDINATION),
    ask("update leases", "n1", namespace="kube-node-lease", group=COORDINATION),
    ask("get csinodes", "n1", namespace="", group=STORAGE),
    ask("list runtimeclasses", namespace="", group="node.k8s.io"),
    ask("create tokenreviews", namespace="", group="authentication.k8s.io"),
    ask("create certificatesigningrequests", namespace="", group="certificates.k8s.io"),
]
REFUSED = [
    ask("get secrets", "n2-secret"),
    ask("get secrets", "env-secret", namespace="default"),
    ask("list secrets"),
    ask("update secrets", "env-secret"),
    ask("delete configmaps", "env-config"),
    ask("list persistentvolumeclaims"),
    ask("get persistentvolumes", "pv2", namespace=""),
    ask("get volumeattachments", "va2", namespace="", group=STORAGE),
    ask("create serviceaccounts/token", "default"),
    ask("list pods", namespace=""),
    ask("get pods", "other"),
    ask("list nodes", namespace=""),
    ask("get nodes", "n2", namespace=""),
    ask("delete nodes", "n1", namespace=""),
    ask("update leases", "n2", namespace="kube-node-lease", group=COORDINATION),
    ask("get leases", "n1", namespace="kube-system", group=COORDINATION),
    ask("get csinodes", "n2", namespace="", group=STORAGE),
    ask("list deployments", group="apps"),
    RequestInfo("get", "/metrics"),
]


def shown(request: RequestInfo) -> str:
    return f"{request.verb} {request.resource}/{request.subresource} {request.namespace}/{request.name} {request.field_selector}"


@pytest.mark.parametrize("request_", ALLOWED, ids=shown)
def test_allowed(cluster: MemoryCluster, request_: RequestInfo) -> None:
    authorizer = authz.build(cluster, ["Node"])
    for _ in range(2):
        assert authorizer.authorize(N1, request_).allowed


@pytest.mark.parametrize("request_", REFUSED, ids=shown)
def test_refused(cluster: MemoryCluster, request_: RequestInfo) -> None:
    authorizer = authz.build(cluster, ["Node"])
    for _ in range(2):
        assert not authorizer.authorize(N1, request_).allowed


@pytest.mark.parametrize(
    "user",
    [
        pytest.param(User("system:node:n1", groups=("system:authenticated",)), id="no group"),
        pytest.param(User("n1", groups=("system:nodes",)), id="no node's name"),
        pytest.param(User("system:node:", groups=("system:nodes",)), id="empty name"),
    ],
)
def test_only_nodes(cluster: MemoryCluster, user: User) -> None:
    assert not authz.build(cluster, ["Node"]).authorize(user, ask("get secrets", "env-secret")).allowed


def test_access_ends_with_the_pod(cluster: MemoryCluster) -> None:
    authorizer = authz.build(cluster, ["Node"])
    assert authorizer.authorize(N1, ask("get secrets", "env-secret")).allowed
    cluster.remove("", "pods", "shop", "web")
    decision = authorizer.authorize(N1, ask("get secrets", "env-secret"))
    assert not decision.allowed
    assert decision.reason == "no relationship found between node 'n1' and this object"


def test_a_mirror_pod_opens_nothing(cluster: MemoryCluster) -> None:
    mirror = pod("mirror", "n1", volumes=[{"name": "a", "secret": {"secretName": "wanted"}}])
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    cluster.put("", "pods", mirror)
    assert references.of_pod(mirror) == {}
    assert not authz.build(cluster, ["Node"]).authorize(N1, ask("get secrets", "wanted")).allowed
