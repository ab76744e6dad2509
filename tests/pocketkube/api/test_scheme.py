"""Every built-in kind is there, named and placed as upstream names and places it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pocketkube.api import scheme
from pocketkube.api.kinds.core.pod import KIND as POD
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import definitions

KINDS = scheme.builtin()

# name, short names, apiVersion, namespaced, kind: as `kubectl api-resources --sort-by=name` shows each group's preferred version.
RESOURCES = """
apiservices - apiregistration.k8s.io/v1 false APIService
bindings - v1 true Binding
certificatesigningrequests csr certificates.k8s.io/v1 false CertificateSigningRequest
clusterrolebindings - rbac.authorization.k8s.io/v1 false ClusterRoleBinding
clusterroles - rbac.authorization.k8s.io/v1 false ClusterRole
clustertrustbundles - certificates.k8s.io/v1 false ClusterTrustBundle
componentstatuses cs v1 false ComponentStatus
configmaps cm v1 true ConfigMap
controllerrevisions - apps/v1 true ControllerRevision
cronjobs cj batch/v1 true CronJob
csidrivers - storage.k8s.io/v1 false CSIDriver
csinodes - storage.k8s.io/v1 false CSINode
csistoragecapacities - storage.k8s.io/v1 true CSIStorageCapacity
customresourcedefinitions crd,crds apiextensions.k8s.io/v1 false CustomResourceDefinition
daemonsets ds apps/v1 true DaemonSet
deployments deploy apps/v1 true Deployment
deviceclasses - resource.k8s.io/v1 false DeviceClass
devicetaintrules - resource.k8s.io/v1 false DeviceTaintRule
endpoints ep v1 true Endpoints
endpointslices - discovery.k8s.io/v1 true EndpointSlice
events ev v1 true Event
events ev events.k8s.io/v1 true Event
flowschemas - flowcontrol.apiserver.k8s.io/v1 false FlowSchema
horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler
ingressclasses - networking.k8s.io/v1 false IngressClass
ingresses ing networking.k8s.io/v1 true Ingress
ipaddresses ip networking.k8s.io/v1 false IPAddress
jobs - batch/v1 true Job
leasecandidates - coordination.k8s.io/v1beta1 true LeaseCandidate
leases - coordination.k8s.io/v1 true Lease
limitranges limits v1 true LimitRange
localsubjectaccessreviews - authorization.k8s.io/v1 true LocalSubjectAccessReview
mutatingadmissionpolicies - admissionregistration.k8s.io/v1 false MutatingAdmissionPolicy
mutatingadmissionpolicybindings - admissionregistration.k8s.io/v1 false MutatingAdmissionPolicyBinding
mutatingwebhookconfigurations - admissionregistration.k8s.io/v1 false MutatingWebhookConfiguration
namespaces ns v1 false Namespace
networkpolicies netpol networking.k8s.io/v1 true NetworkPolicy
nodes no v1 false Node
persistentvolumeclaims pvc v1 true PersistentVolumeClaim
persistentvolumes pv v1 false PersistentVolume
podcertificaterequests - certificates.k8s.io/v1 true PodCertificateRequest
poddisruptionbudgets pdb policy/v1 true PodDisruptionBudget
podgroups - scheduling.k8s.io/v1beta1 true PodGroup
pods po v1 true Pod
podtemplates - v1 true PodTemplate
priorityclasses pc scheduling.k8s.io/v1 false PriorityClass
prioritylevelconfigurations - flowcontrol.apiserver.k8s.io/v1 false PriorityLevelConfiguration
replicasets rs apps/v1 true ReplicaSet
replicationcontrollers rc v1 true ReplicationController
resourceclaims - resource.k8s.io/v1 true ResourceClaim
resourceclaimtemplates - resource.k8s.io/v1 true ResourceClaimTemplate
resourcequotas quota v1 true ResourceQuota
resourceslices - resource.k8s.io/v1 false ResourceSlice
rolebindings - rbac.authorization.k8s.io/v1 true RoleBinding
roles - rbac.authorization.k8s.io/v1 true Role
runtimeclasses - node.k8s.io/v1 false RuntimeClass
secrets - v1 true Secret
selfsubjectaccessreviews - authorization.k8s.io/v1 false SelfSubjectAccessReview
selfsubjectreviews - authentication.k8s.io/v1 false SelfSubjectReview
selfsubjectrulesreviews - authorization.k8s.io/v1 false SelfSubjectRulesReview
serviceaccounts sa v1 true ServiceAccount
servicecidrs - networking.k8s.io/v1 false ServiceCIDR
services svc v1 true Service
statefulsets sts apps/v1 true StatefulSet
storageclasses sc storage.k8s.io/v1 false StorageClass
storageversionmigrations - storagemigration.k8s.io/v1 false StorageVersionMigration
subjectaccessreviews - authorization.k8s.io/v1 false SubjectAccessReview
tokenreviews - authentication.k8s.io/v1 false TokenReview
validatingadmissionpolicies - admissionregistration.k8s.io/v1 false ValidatingAdmissionPolicy
validatingadmissionpolicybindings - admissionregistration.k8s.io/v1 false ValidatingAdmissionPolicyBinding
validatingwebhookconfigurations - admissionregistration.k8s.io/v1 false ValidatingWebhookConfiguration
volumeattachments - storage.k8s.io/v1 false VolumeAttachment
volumeattributesclasses vac storage.k8s.io/v1 false VolumeAttributesClass
workloads - scheduling.k8s.io/v1beta1 true Workload
"""

# Kinds that are bodies of subresources or of the API machinery, not resources of their own.
NOT_RESOURCES = {
    "APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "Eviction", "Scale", "Status", "TokenRequest",
    "WatchEvent",
}  # fmt: skip


def test_resources_read_as_upstream_lists_them() -> None:
    preferred = {(k.group, k.plural): KINDS.preferred(k.group, k.plural) for k in KINDS.kinds()}
    lines = [
        f"{k.plural} {','.join(k.short_names) or '-'} {k.api_version} {str(k.namespaced).lower()} {k.kind}"
        for k in preferred.values()
        if k is not None
    ]
    assert sorted(lines) == sorted(RESOURCES.split("\n")[1:-1])


def test_every_stable_and_beta_kind_of_the_schemas_is_served() -> None:
    known = {(k.group, k.version, k.kind) for k in KINDS.kinds()}
    missing = [
        gvk
        for gvk in definitions.by_gvk()
        if gvk not in known and "alpha" not in gvk[1] and not gvk[2].endswith("List") and gvk[2] not in NOT_RESOURCES
    ]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS.kinds(), ids=lambda kind: f"{kind.resource}-{kind.version}")
def test_each_kind_has_the_schema_of_its_own_name(kind: Kind) -> None:
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    assert gvk in kind.schema.raw["x-kubernetes-group-version-kind"]


@pytest.mark.parametrize(
    ("group", "plural", "folder"),
    [
        ("", "services", "services/specs"),
        ("", "endpoints", "services/endpoints"),
        ("", "nodes", "minions"),
        ("", "replicationcontrollers", "controllers"),
        ("", "events", ""),
        ("events.k8s.io", "events", "events"),
        ("networking.k8s.io", "ingresses", "ingress"),
        ("apiregistration.k8s.io", "apiservices", "apiregistration.k8s.io/apiservices"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "apiextensions.k8s.io/customresourcedefinitions"),
        ("coordination.k8s.io", "leases", ""),
    ],
)
def test_folders_in_the_store_are_upstreams(group: str, plural: str, folder: str) -> None:
    kind = KINDS.preferred(group, plural)
    assert kind is not None
    assert kind.storage_prefix == folder


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("pods", "attach binding ephemeralcontainers eviction exec log portforward proxy resize status"),
        ("services", "proxy status"),
        ("nodes", "proxy status"),
        ("serviceaccounts", "token"),
        ("namespaces", "finalize status"),
        ("replicationcontrollers", "scale status"),
    ],
)
def test_subresources(plural: str, expected: str) -> None:
    kind = KINDS.by_plural("", "v1", plural)
    assert kind is not None
    assert " ".join(s.name for s in kind.subresources) == expected


@pytest.mark.parametrize(
    ("group", "plural", "verbs"),
    [
        ("", "bindings", "create"),
        ("", "componentstatuses", "get list"),
        ("", "namespaces", "create delete get list patch update watch"),
        ("authorization.k8s.io", "subjectaccessreviews", "create"),
        ("", "pods", "create delete deletecollection get list patch update watch"),
    ],
)
def test_verbs(group: str, plural: str, verbs: str) -> None:
    kind = KINDS.preferred(group, plural)
    assert kind is not None
    assert " ".join(kind.verbs) == verbs


def test_versions_of_a_group_come_in_order_of_preference() -> None:
    assert KINDS.versions("resource.k8s.io") == ["v1", "v1beta2", "v1beta1"]
    assert KINDS.versions("autoscaling") == ["v2", "v1"]


def test_views_share_a_store_that_keeps_one_form() -> None:
    core, new = (KINDS.preferred(group, "events") for group in ("", "events.k8s.io"))
    assert core is not None and new is not None
    assert core.storage_version == core.version
    assert new.storage_version != new.version


def test_kinds_come_and_go() -> None:
    found = scheme.Scheme([POD])
    custom = replace(POD, group="example.com", kind="Widget", plural="widgets", custom=True)
    found.add(custom)
    assert found.of("example.com/v1", "Widget") is custom
    assert found.by_plural("example.com", "v1", "widgets") is custom
    assert found.groups() == ["", "example.com"]
    found.remove(custom)
    assert found.of("example.com/v1", "Widget") is None
    assert found.by_gvk("", "v1", "Pod") is POD


def test_derived_names() -> None:
    kind = KINDS.by_gvk("apps", "v1", "Deployment")
    assert kind is not None
    assert (kind.singular, kind.list_kind, kind.resource, kind.api_version) == (
        "deployment", "DeploymentList", "deployments.apps", "apps/v1",
    )  # fmt: skip
    assert kind.has_status and kind.is_stored
