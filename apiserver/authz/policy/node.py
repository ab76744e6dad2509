"""What every node may do, before the node authorizer narrows it to the node's own objects."""

from __future__ import annotations

from apiserver.authz.policy.line import rules

NODE_RULES = rules(
    "create | authentication.k8s.io | tokenreviews",
    "create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews",
    "read | core | services",
    "create read | core | nodes",
    "patch update | core | nodes/status",
    "patch update | core | nodes",
    "create patch update | core | events",
    "read | core | pods",
    "create delete | core | pods",
    "patch update | core | pods/status",
    "create | core | pods/eviction",
    "read | core | configmaps secrets",
    "get | core | persistentvolumeclaims persistentvolumes",
    "get | core | endpoints",
    "create read | certificates.k8s.io | certificatesigningrequests",
    "create delete get patch update | coordination.k8s.io | leases",
    "get | storage.k8s.io | volumeattachments",
    "create | core | serviceaccounts/token",
    "get | core | serviceaccounts",
    "get patch update | core | persistentvolumeclaims/status",
    "read | storage.k8s.io | csidrivers",
    "create delete get patch update | storage.k8s.io | csinodes",
    "read | node.k8s.io | runtimeclasses",
    "get | resource.k8s.io | resourceclaims",
    "create delete deletecollection patch read update | resource.k8s.io | resourceslices",
    "read | certificates.k8s.io | clustertrustbundles",
    "create read | certificates.k8s.io | podcertificaterequests",
)
