"""Roles of kube-system and kube-public, and who is bound to what by default."""

from __future__ import annotations

from apiserver.authz.policy.line import EVENTS

_LOCKING = (
    "create read update | coordination.k8s.io | leases",
    "create read update | coordination.k8s.io | leasecandidates",
)

# (namespace, name) -> lines
ROLES: dict[tuple[str, str], tuple[str, ...]] = {
    ("kube-public", "system:controller:bootstrap-signer"): (
        "read | core | configmaps",
        "update | core | configmaps | cluster-info",
        EVENTS,
    ),
    ("kube-system", "extension-apiserver-authentication-reader"): (
        "read | core | configmaps | extension-apiserver-authentication",
    ),
    ("kube-system", "system::leader-locking-kube-controller-manager"): _LOCKING,
    ("kube-system", "system::leader-locking-kube-scheduler"): _LOCKING,
    ("kube-system", "system:controller:bootstrap-signer"): ("read | core | secrets",),
    ("kube-system", "system:controller:cloud-provider"): ("create read | core | configmaps",),
    ("kube-system", "system:controller:token-cleaner"): ("delete read | core | secrets", EVENTS),
}

# Subjects are written `Group:name`, `User:name` or `ServiceAccount:namespace/name`.
# (namespace, binding) -> (role, subjects)
ROLE_BINDINGS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("kube-system", "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        ("User:system:kube-controller-manager", "User:system:kube-scheduler"),
    ),
    ("kube-system", "system::leader-locking-kube-controller-manager"): (
        "system::leader-locking-kube-controller-manager",
        ("User:system:kube-controller-manager", "ServiceAccount:kube-system/kube-controller-manager"),
    ),
    ("kube-system", "system::leader-locking-kube-scheduler"): (
        "system::leader-locking-kube-scheduler",
        ("User:system:kube-scheduler", "ServiceAccount:kube-system/kube-scheduler"),
    ),
    **{
        (namespace, f"system:controller:{name}"): (
            f"system:controller:{name}",
            (f"ServiceAccount:kube-system/{name}",),
        )
        for namespace, name in (
            ("kube-public", "bootstrap-signer"),
            ("kube-system", "bootstrap-signer"),
            ("kube-system", "cloud-provider"),
            ("kube-system", "token-cleaner"),
        )
    },
}

# binding, named like its ClusterRole -> subjects
CLUSTER_ROLE_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("Group:system:masters",),
    "system:monitoring": ("Group:system:monitoring",),
    "system:discovery": ("Group:system:authenticated",),
    "system:basic-user": ("Group:system:authenticated",),
    "system:public-info-viewer": ("Group:system:authenticated", "Group:system:unauthenticated"),
    "system:node-proxier": ("User:system:kube-proxy",),
    "system:kube-controller-manager": ("User:system:kube-controller-manager",),
    "system:kube-dns": ("ServiceAccount:kube-system/kube-dns",),
    "system:kube-scheduler": ("User:system:kube-scheduler",),
    "system:volume-scheduler": ("User:system:kube-scheduler",),
    "system:node": (),  # the node authorizer grants it, object by object
    "system:service-account-issuer-discovery": ("Group:system:serviceaccounts",),
    "system:cluster-trust-bundle-discovery": ("Group:system:serviceaccounts",),
}

_JOINING = "Group:system:bootstrappers:kubeadm:default-node-token"
_CSR = "system:certificates.k8s.io:certificatesigningrequests:"

# What kubeadm adds on top so that nodes can join: binding -> (ClusterRole, subjects). Users may change these.
JOIN_BINDINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "kubeadm:cluster-admins": ("cluster-admin", ("Group:kubeadm:cluster-admins",)),
    "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", (_JOINING,)),
    "kubeadm:get-nodes": ("kubeadm:get-nodes", (_JOINING,)),
    "kubeadm:node-autoapprove-bootstrap": (f"{_CSR}nodeclient", (_JOINING,)),
    "kubeadm:node-autoapprove-certificate-rotation": (f"{_CSR}selfnodeclient", ("Group:system:nodes",)),
}
JOIN_CLUSTER_ROLES: dict[str, tuple[str, ...]] = {"kubeadm:get-nodes": ("get | core | nodes",)}
JOIN_ROLES: dict[tuple[str, str], tuple[str, ...]] = {
    ("kube-public", "kubeadm:bootstrap-signer-clusterinfo"): ("get | core | configmaps | cluster-info",),
}
JOIN_ROLE_BINDINGS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("kube-public", "kubeadm:bootstrap-signer-clusterinfo"): (
        "kubeadm:bootstrap-signer-clusterinfo",
        ("User:system:anonymous",),
    ),
}
