"""Plugins of storage, ingress, certificates, owners, roles and the Pod Security Standards."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver import authz
from apiserver.admission import pod_security
from apiserver.authz.rbac import GROUP
from apiserver.interfaces import User
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from tests.apiserver.admission.conftest import SCHEME, Admit, Obj, pod, request

ANN = User("ann", groups=("dev",))
CSR = "certificatesigningrequests.certificates.k8s.io"


def marked(name: str, annotation: str, created: str) -> Obj:
    return {"metadata": {"name": name, "annotations": {annotation: "true"}, "creationTimestamp": created}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, "b-new", id="newest, then by name"),
        pytest.param({"storageClassName": ""}, "", id="asked for none"),
        pytest.param({"storageClassName": "mine"}, "mine", id="asked for one"),
    ],
)
async def test_default_storage_class(cluster: MemoryCluster, admit: Admit, spec: Obj, expected: str) -> None:
    annotation = "storageclass.kubernetes.io/is-default-class"
    for name, created in (("a-old", "2025"), ("c-new", "2026"), ("b-new", "2026")):
        cluster.put("storage.k8s.io", "storageclasses", marked(name, annotation, created))
    claim = {"metadata": {"name": "c"}, "spec": spec}
    done = await admit("DefaultStorageClass", request("CREATE", "persistentvolumeclaims", claim))
    assert done["spec"]["storageClassName"] == expected


async def test_default_ingress_class(cluster: MemoryCluster, admit: Admit) -> None:
    asked = request("CREATE", "ingresses.networking.k8s.io", {"metadata": {"name": "i"}, "spec": {}})
    assert "ingressClassName" not in (await admit("DefaultIngressClass", asked))["spec"]
    made = marked("web", "ingressclass.kubernetes.io/is-default-class", "2026")
    cluster.put("networking.k8s.io", "ingressclasses", made)
    assert (await admit("DefaultIngressClass", asked))["spec"]["ingressClassName"] == "web"


@pytest.mark.parametrize(
    ("resource", "finalizer"),
    [("persistentvolumeclaims", "kubernetes.io/pvc-protection"), ("persistentvolumes", "kubernetes.io/pv-protection")],
)
async def test_protection(admit: Admit, resource: str, finalizer: str) -> None:
    asked = request("CREATE", resource, {"metadata": {"name": "x"}})
    for _ in range(2):
        assert (await admit("StorageObjectInUseProtection", asked))["metadata"]["finalizers"] == [finalizer]


def claim(storage: str, **status: Any) -> Obj:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": storage}}}
    return {"metadata": {"name": "c"}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("expands", "phase", "size", "refused"),
    [
        pytest.param(True, "Bound", "2Gi", False, id="grows"),
        pytest.param(False, "Bound", "2Gi", True, id="class does not"),
        pytest.param(True, "Pending", "2Gi", True, id="unbound"),
        pytest.param(False, "Bound", "1024Mi", False, id="same size"),
    ],
)
async def test_resize(
    cluster: MemoryCluster, admit: Admit, expands: bool, phase: str, size: str, refused: bool
) -> None:
    cluster.put("storage.k8s.io", "storageclasses", {"metadata": {"name": "fast"}, "allowVolumeExpansion": expands})
    asked = request("UPDATE", "persistentvolumeclaims", claim(size), claim("1Gi", phase=phase))
    if not refused:
        await admit("PersistentVolumeClaimResize", asked)
        return
    with pytest.raises(errors.Forbidden):
        await admit("PersistentVolumeClaimResize", asked)


def with_rule(cluster: MemoryCluster, *rules: Obj) -> authz.Chain:
    cluster.put(GROUP, "clusterroles", {"metadata": {"name": "r"}, "rules": list(rules)})
    subject = {"kind": "User", "name": "ann"}
    reference = {"kind": "ClusterRole", "name": "r"}
    cluster.put(GROUP, "clusterrolebindings", {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [subject]})
    return authz.build(cluster, ["RBAC"])


def signer_rule(verb: str, name: str) -> Obj:
    return {"verbs": [verb], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": [name]}


def signing_request(**status: Any) -> Obj:
    return {"metadata": {"name": "c"}, "spec": {"signerName": "example.com/web"}, "status": status}


SIGNED = signing_request(certificate="YQ==")


@pytest.mark.parametrize(
    ("plugin", "subresource", "new", "rule", "allowed"),
    [
        pytest.param(
            "CertificateApproval", "approval", SIGNED, signer_rule("approve", "example.com/web"), True, id="approve"
        ),
        pytest.param(
            "CertificateApproval", "approval", SIGNED, signer_rule("approve", "example.com/*"), True, id="domain"
        ),
        pytest.param(
            "CertificateApproval", "approval", SIGNED, signer_rule("approve", "other.com/*"), False, id="other"
        ),
        pytest.param("CertificateSigning", "status", SIGNED, signer_rule("sign", "example.com/web"), True, id="sign"),
        pytest.param(
            "CertificateSigning", "status", SIGNED, signer_rule("approve", "example.com/web"), False, id="no sign"
        ),
        pytest.param("CertificateSigning", "status", signing_request(), signer_rule("x", "y"), True, id="other status"),
    ],
)
async def test_certificates(
    cluster: MemoryCluster, admit: Admit, plugin: str, subresource: str, new: Obj, rule: Obj, allowed: bool
) -> None:
    authorizer = with_rule(cluster, rule)
    asked = request("UPDATE", f"{CSR}/{subresource}", new, signing_request(), user=ANN)
    if allowed:
        await admit(plugin, asked, authorizer=authorizer)
        return
    with pytest.raises(errors.Forbidden, match="requests with signerName"):
        await admit(plugin, asked, authorizer=authorizer)


@pytest.mark.parametrize(("group", "refused"), [("system:masters", True), ("dev", False)])
async def test_subject_restriction(admit: Admit, group: str, refused: bool) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)])
    made = x509.CertificateSigningRequestBuilder(name).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    encoded = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    csr = {"metadata": {"name": "c"}, "spec": {"signerName": "kubernetes.io/kube-apiserver-client", "request": encoded}}
    if not refused:
        await admit("CertificateSubjectRestriction", request("CREATE", CSR, csr))
        return
    with pytest.raises(errors.Forbidden, match="system:masters"):
        await admit("CertificateSubjectRestriction", request("CREATE", CSR, csr))


async def test_owners(cluster: MemoryCluster, admit: Admit) -> None:
    authorizer = with_rule(cluster, {"verbs": ["delete"], "apiGroups": [""], "resources": ["configmaps"]})
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "1", "blockOwnerDeletion": True}
    plain = {"metadata": {"name": "c"}}
    owned = {"metadata": {"name": "c", "ownerReferences": [owner]}}
    free = {"metadata": {"name": "c", "ownerReferences": [{**owner, "blockOwnerDeletion": False}]}}
    setup = {"authorizer": authorizer, "kind_of": SCHEME.by_gvk}
    plugin = "OwnerReferencesPermissionEnforcement"
    await admit(plugin, request("UPDATE", "configmaps", free, plain, user=ANN), **setup)
    with pytest.raises(errors.Forbidden, match="set finalizers on"):
        await admit(plugin, request("UPDATE", "configmaps", owned, plain, user=ANN), **setup)
    with pytest.raises(errors.Forbidden, match="can't delete"):
        await admit(plugin, request("UPDATE", "secrets", free, plain, user=ANN), **setup)


async def test_roles(cluster: MemoryCluster, admit: Admit) -> None:
    authorizer = with_rule(cluster, {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]})
    rules = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
    role = {"metadata": {"name": "r2", "namespace": "default"}, "rules": rules}
    await admit("RoleEscalation", request("CREATE", f"roles.{GROUP}", role, user=ANN), authorizer=authorizer)
    rules[0]["verbs"] = ["*"]
    with pytest.raises(errors.Forbidden, match="not currently held"):
        await admit("RoleEscalation", request("CREATE", f"roles.{GROUP}", role, user=ANN), authorizer=authorizer)


SAFE_CONTEXT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def secured(**changes: Any) -> Obj:
    return {"containers": [{"name": "a", "securityContext": {**SAFE_CONTEXT, **changes}}]}


@pytest.mark.parametrize(
    ("level", "spec", "expected"),
    [
        pytest.param("privileged", {"hostNetwork": True, "containers": []}, "", id="privileged"),
        pytest.param("baseline", {"containers": [{"name": "a"}]}, "", id="baseline, plain"),
        pytest.param(
            "baseline",
            {"hostNetwork": True, "hostPID": True, "containers": []},
            "host namespaces (hostNetwork=true, hostPID=true)",
            id="host namespaces",
        ),
        pytest.param(
            "baseline",
            {"containers": [{"name": "a", "securityContext": {"privileged": True}}]},
            'privileged (container "a" must not set securityContext.privileged=true)',
            id="privileged container",
        ),
        pytest.param(
            "baseline",
            {"containers": [], "volumes": [{"name": "v", "hostPath": {}}]},
            'hostPath volumes (volume "v")',
            id="hostPath",
        ),
        pytest.param(
            "baseline",
            {"containers": [{"name": "a", "ports": [{"hostPort": 80}]}]},
            'hostPort (container "a" uses hostPort 80)',
            id="hostPort",
        ),
        pytest.param(
            "baseline",
            {"containers": [{"name": "a", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]},
            'non-default capabilities (container "a" must not include "NET_ADMIN" in securityContext.capabilities.add)',
            id="capabilities",
        ),
        pytest.param(
            "baseline",
            {"containers": [], "securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}},
            "forbidden sysctls (kernel.msgmax)",
            id="sysctls",
        ),
        pytest.param("restricted", secured(), "", id="restricted, all said"),
        pytest.param(
            "restricted",
            {"containers": [{"name": "a"}]},
            'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), '
            'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), '
            'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true), '
            'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
            id="restricted, plain",
        ),
        pytest.param(
            "restricted", secured(runAsUser=0), 'runAsUser=0 (container "a" must not set runAsUser=0)', id="root"
        ),
        pytest.param(
            "restricted",
            {**secured(), "volumes": [{"name": "v", "nfs": {}}]},
            'restricted volume types (volume "v" uses restricted volume type "nfs")',
            id="volume",
        ),
    ],
)
def test_standards(level: str, spec: Obj, expected: str) -> None:
    assert pod_security.render(pod_security.violations(level, {}, spec)) == expected


def label(cluster: MemoryCluster, **modes: str) -> None:
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in modes.items()}
    cluster.put("", "namespaces", {"metadata": {"name": "default", "labels": labels}})


async def test_pod_security_modes(cluster: MemoryCluster, admit: Admit) -> None:
    label(cluster, enforce="baseline", warn="restricted", audit="restricted")
    asked = request("CREATE", "pods", pod())
    await admit("PodSecurity", asked)
    assert asked.warnings[0].startswith('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation')
    assert "pod-security.kubernetes.io/audit-violations" in asked.annotations
    with pytest.raises(errors.Forbidden) as refused:
        await admit("PodSecurity", request("CREATE", "pods", pod(hostPID=True)))
    assert refused.value.message == (
        'pods "web" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    )
    await admit("PodSecurity", request("UPDATE", "pods", pod(hostPID=True), pod(hostPID=True)))


async def test_pod_security_of_templates_and_labels(cluster: MemoryCluster, admit: Admit) -> None:
    label(cluster, enforce="restricted", warn="restricted")
    deployment = {"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
    asked = request("CREATE", "deployments.apps", deployment)
    await admit("PodSecurity", asked)
    assert len(asked.warnings) == 1
    wrong = {"metadata": {"name": "n", "labels": {"pod-security.kubernetes.io/enforce": "strict"}}}
    with pytest.raises(errors.Forbidden, match="must be one of privileged, baseline, restricted"):
        await admit("PodSecurity", request("CREATE", "namespaces", wrong))
    cluster.put("", "pods", pod(hostPID=True))
    stricter = {"metadata": {"name": "default", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    relabelled = request("UPDATE", "namespaces", stricter, {"metadata": {"name": "default"}}, namespace="default")
    await admit("PodSecurity", relabelled)
    assert relabelled.warnings == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
        "web: host namespaces",
    ]
