"""ClusterRoles of the cluster's own programs and of those that watch over it."""

from __future__ import annotations

from apiserver.authz.policy.line import EVENTS

_REVIEWS = (
    "create | authentication.k8s.io | tokenreviews",
    "create | authorization.k8s.io | subjectaccessreviews",
)

ROLES: dict[str, tuple[str, ...]] = {
    "system:auth-delegator": _REVIEWS,
    "system:heapster": ("read | core | events namespaces nodes pods", "read | extensions | deployments"),
    "system:kube-aggregator": ("read | core | endpoints services",),
    "system:kube-controller-manager": (
        EVENTS,
        "create | coordination.k8s.io | leases",
        "get update | coordination.k8s.io | leases | kube-controller-manager",
        "create | core | secrets serviceaccounts",
        "delete | core | secrets",
        "get | core | configmaps namespaces secrets serviceaccounts",
        "update | core | secrets serviceaccounts",
        *_REVIEWS,
        "list watch | * | *",
        "create | core | serviceaccounts/token",
    ),
    "system:kube-dns": ("list watch | core | endpoints services",),
    "system:kube-scheduler": (
        EVENTS,
        "create | coordination.k8s.io | leases",
        "get update | coordination.k8s.io | leases | kube-scheduler",
        "read | core | nodes",
        "delete read | core | pods",
        "create | core | bindings pods/binding",
        "patch update | core | pods/status",
        "read | core | replicationcontrollers services",
        "read | apps extensions | replicasets",
        "read | apps | statefulsets",
        "read | policy | poddisruptionbudgets",
        "read | core | persistentvolumeclaims persistentvolumes",
        *_REVIEWS,
        "read | storage.k8s.io | csinodes",
        "read | core | namespaces",
        "read | storage.k8s.io | csidrivers",
        "read | storage.k8s.io | csistoragecapacities",
        "read | storage.k8s.io | volumeattachments",
        "read | resource.k8s.io | deviceclasses resourceclaims resourceslices",
        "patch update | resource.k8s.io | resourceclaims resourceclaims/binding resourceclaims/status",
        "update | core | pods/finalizers",
    ),
    "system:kubelet-api-admin": (
        "read | core | nodes",
        "proxy | core | nodes",
        "* | core | nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
    ),
    "system:node-bootstrapper": ("create read | certificates.k8s.io | certificatesigningrequests",),
    "system:node-problem-detector": ("get | core | nodes", "patch | core | nodes/status", EVENTS),
    "system:node-proxier": (
        "list watch | core | endpoints services",
        "read | core | nodes",
        EVENTS,
        "list watch | discovery.k8s.io | endpointslices",
        "list watch | networking.k8s.io | servicecidrs",
    ),
    "system:persistent-volume-provisioner": (
        "create delete read | core | persistentvolumes",
        "read update | core | persistentvolumeclaims",
        "read | storage.k8s.io | storageclasses",
        "watch | core | events",
        EVENTS,
    ),
    "system:volume-scheduler": (
        "patch read update | core | persistentvolumes",
        "read | storage.k8s.io | storageclasses",
        "patch read update | core | persistentvolumeclaims",
    ),
}
