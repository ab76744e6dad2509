"""Namespaces that are missing or ending, nodes that start tainted, and what a kubelet may write."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apiserver.interfaces import AdmissionRequest, User
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import Admit, Obj, pod, request

N1 = User("system:node:n1", groups=("system:nodes", "system:authenticated"))


async def test_missing_namespace(admit: Admit) -> None:
    with pytest.raises(errors.NotFound) as refused:
        await admit("NamespaceLifecycle", request("CREATE", "pods", pod(), namespace="nowhere"))
    assert refused.value.message == 'namespaces "nowhere" not found'


async def test_terminating_namespace(cluster: MemoryCluster, admit: Admit) -> None:
    cluster.put("", "namespaces", {"metadata": {"name": "ending"}, "status": {"phase": "Terminating"}})
    with pytest.raises(errors.Forbidden) as refused:
        await admit("NamespaceLifecycle", request("CREATE", "pods", pod(), namespace="ending"))
    assert refused.value.message == (
        'pods "web" is forbidden: unable to create new content in namespace ending because it is being terminated'
    )
    assert refused.value.details["causes"][0]["reason"] == "NamespaceTerminating"
    await admit("NamespaceLifecycle", request("UPDATE", "pods", pod(), pod(), namespace="ending"))
    await admit("NamespaceLifecycle", request("DELETE", "pods", None, pod(), namespace="ending"))


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_immortal_namespaces(admit: Admit, name: str) -> None:
    asked = request("DELETE", "namespaces", None, {"metadata": {"name": name}})
    with pytest.raises(errors.Forbidden) as refused:
        await admit("NamespaceLifecycle", asked)
    assert refused.value.message == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_other_namespaces_end(admit: Admit) -> None:
    await admit("NamespaceLifecycle", request("DELETE", "namespaces", None, {"metadata": {"name": "kube-node-lease"}}))


async def test_new_nodes_are_tainted(admit: Admit) -> None:
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    done = await admit("TaintNodesByCondition", request("CREATE", "nodes", {"metadata": {"name": "n1"}}))
    assert done["spec"]["taints"] == [taint]
    again = {"metadata": {"name": "n1"}, "spec": {"taints": [taint]}}
    done = await admit("TaintNodesByCondition", request("CREATE", "nodes", again))
    assert done["spec"]["taints"] == [taint]


def mirror(**spec: Any) -> Obj:
    made = pod(nodeName="n1", **spec)
    made["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-1", "controller": True}
    made["metadata"]["ownerReferences"] = [owner]
    return made


def owned_by(**changes: Any) -> Obj:
    """A mirror pod with an owner changed so, or without one."""
    made = mirror()
    (owner,) = made["metadata"].pop("ownerReferences")
    if changes:
        made["metadata"]["ownerReferences"] = [{**owner, **changes}]
    return made


def node(labels: Obj | None = None, **spec: Any) -> Obj:
    return {"metadata": {"name": "n1", "labels": labels or {}}, "spec": spec}


def lease(name: str) -> Obj:
    return {"metadata": {"name": name}}


def token(uid: str = "u1", audiences: list[str] | None = None) -> Obj:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid}
    return {"metadata": {"name": "default"}, "spec": {"boundObjectRef": bound, "audiences": audiences or []}}


def labelled(made: Obj) -> Obj:
    return {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}


SYSTEM_LABELS = {
    "kubernetes.io/hostname": "n1",
    "topology.kubernetes.io/zone": "z",
    "kubelet.kubernetes.io/x": "y",
    "mine": "1",
}
HERE, ELSEWHERE = pod(nodeName="n1"), pod(nodeName="n2")


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        pytest.param(request("CREATE", "pods", mirror(), user=N1), "", id="mirror pod"),
        pytest.param(request("CREATE", "pods", HERE, user=N1), "can only create mirror pods", id="other pod"),
        pytest.param(
            request("CREATE", "pods", owned_by(), user=N1), "with an owner reference set", id="nobody's mirror"
        ),
        pytest.param(
            request("CREATE", "pods", owned_by(uid="x"), user=N1),
            "UID mismatch: expected x got node-1",
            id="old node's",
        ),
        pytest.param(
            request("CREATE", "pods", {**mirror(), "spec": {"nodeName": "n2", "containers": []}}, user=N1),
            "spec.nodeName set to itself",
            id="mirror elsewhere",
        ),
        pytest.param(
            request("CREATE", "pods", mirror(serviceAccountName="x"), user=N1),
            "reference a service account",
            id="mirror with account",
        ),
        pytest.param(
            request("CREATE", "pods", mirror(volumes=[{"name": "v", "secret": {"secretName": "s"}}]), user=N1),
            "reference secrets",
            id="mirror with secret",
        ),
        pytest.param(request("DELETE", "pods", None, HERE, user=N1), "", id="delete own"),
        pytest.param(request("DELETE", "pods", None, ELSEWHERE, user=N1), "can only delete pods", id="delete other"),
        pytest.param(request("UPDATE", "pods/status", HERE, HERE, user=N1), "", id="own status"),
        pytest.param(
            request("UPDATE", "pods/status", ELSEWHERE, ELSEWHERE, user=N1), "update pod status", id="other status"
        ),
        pytest.param(
            request("UPDATE", "pods/status", labelled(HERE), HERE, user=N1), "cannot update labels", id="labels"
        ),
        pytest.param(request("UPDATE", "pods", HERE, HERE, user=N1), "unexpected operation", id="update pod"),
        pytest.param(request("CREATE", "pods/binding", HERE, user=N1), "unexpected pod subresource", id="binding"),
        pytest.param(request("CREATE", "nodes", node(SYSTEM_LABELS), user=N1), "", id="register"),
        pytest.param(
            request("CREATE", "nodes", {"metadata": {"name": "n2"}}, user=N1),
            'not allowed to modify node "n2"',
            id="register other",
        ),
        pytest.param(
            request("CREATE", "nodes", node({"node-role.kubernetes.io/master": ""}), user=N1),
            "is not allowed to set the following labels: node-role.kubernetes.io/master",
            id="role label",
        ),
        pytest.param(
            request("UPDATE", "nodes", node({"a.node-restriction.kubernetes.io/x": ""}), node(), user=N1),
            "is not allowed to modify labels",
            id="restricted label",
        ),
        pytest.param(
            request("UPDATE", "nodes", node(taints=[]), node(taints=[{"key": "x"}]), user=N1),
            "not allowed to modify taints",
            id="taints",
        ),
        pytest.param(request("UPDATE", "nodes/status", node(), node(), user=N1), "", id="node status"),
        pytest.param(
            request("CREATE", "leases.coordination.k8s.io", lease("n1"), user=N1, namespace="kube-node-lease"),
            "",
            id="lease",
        ),
        pytest.param(
            request("CREATE", "leases.coordination.k8s.io", lease("n2"), user=N1, namespace="kube-node-lease"),
            "same name",
            id="other lease",
        ),
        pytest.param(
            request("CREATE", "leases.coordination.k8s.io", lease("n1"), user=N1),
            "system namespace",
            id="lease elsewhere",
        ),
        pytest.param(request("CREATE", "csinodes.storage.k8s.io", lease("n2"), user=N1), "same name", id="csinode"),
        pytest.param(request("CREATE", "serviceaccounts/token", token(), user=N1), "", id="token"),
        pytest.param(
            request("CREATE", "serviceaccounts/token", token(audiences=["vault"]), user=N1), "", id="token for a volume"
        ),
        pytest.param(
            request("CREATE", "serviceaccounts/token", token(audiences=["bank"]), user=N1),
            'audience "bank" not found',
            id="token for nobody",
        ),
        pytest.param(
            request("CREATE", "serviceaccounts/token", token(uid="other"), user=N1), "UID", id="token of another pod"
        ),
        pytest.param(
            request("CREATE", "serviceaccounts/token", {"metadata": {"name": "default"}, "spec": {}}, user=N1),
            "not bound",
            id="unbound",
        ),
        pytest.param(request("CREATE", "pods", HERE), "", id="someone else"),
    ],
)
async def test_node_restriction(cluster: MemoryCluster, admit: Admit, asked: AdmissionRequest, refusal: str) -> None:
    volume = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "vault", "path": "t"}}]}}
    stored = pod(nodeName="n1", volumes=[volume])
    stored["metadata"]["uid"] = "u1"
    cluster.put("", "pods", stored)
    cluster.put("", "nodes", {"metadata": {"name": "n1", "uid": "node-1"}})
    if not refusal:
        await admit("NodeRestriction", asked)
        return
    with pytest.raises(errors.Forbidden, match=refusal):
        await admit("NodeRestriction", asked)


async def test_eviction_of_own_pods_only(cluster: MemoryCluster, admit: Admit) -> None:
    cluster.put("", "pods", pod(nodeName="n2"))
    eviction = {"metadata": {"name": "web"}}
    with pytest.raises(errors.Forbidden, match="can only evict pods"):
        await admit("NodeRestriction", request("CREATE", "pods/eviction", eviction, user=N1))
    cluster.put("", "pods", pod(nodeName="n1"))
    await admit("NodeRestriction", request("CREATE", "pods/eviction", eviction, user=N1))


async def test_certificate_in_its_own_name(admit: Admit) -> None:
    spec = {"signerName": "kubernetes.io/kubelet-serving", "request": base64.b64encode(b"x").decode()}
    csr = {"metadata": {"name": "c"}, "spec": spec}
    with pytest.raises(errors.Forbidden, match="CN=system:node:n1"):
        await admit(
            "NodeRestriction", request("CREATE", "certificatesigningrequests.certificates.k8s.io", csr, user=N1)
        )
