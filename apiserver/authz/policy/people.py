"""ClusterRoles for people and for anyone who asks: admin, edit, view by aggregation, discovery, certificate approval."""

from __future__ import annotations

_WORKLOADS = (
    "daemonsets deployments deployments/{} replicasets replicasets/{} statefulsets statefulsets/{}"  # scale or status
)

# Labelled so that admin, edit and view gather them: name -> (the role that gathers, lines).
AGGREGATED: dict[str, tuple[str, tuple[str, ...]]] = {
    "system:aggregate-to-admin": (
        "admin",
        (
            "create | authorization.k8s.io | localsubjectaccessreviews",
            "read write | rbac.authorization.k8s.io | rolebindings roles",
        ),
    ),
    "system:aggregate-to-edit": (
        "edit",
        (
            "read | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
            "impersonate | core | serviceaccounts",
            "write | core | pods pods/attach pods/exec pods/portforward pods/proxy",
            "create | core | pods/eviction",
            "patch update | core | pods/resize",
            "write | core | configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale"
            " secrets serviceaccounts services services/proxy",
            "create | core | serviceaccounts/token",
            f"write | apps | deployments/rollback {_WORKLOADS.replace('{}', 'scale')}",
            "write | autoscaling | horizontalpodautoscalers",
            "write | batch | cronjobs jobs",
            "write | extensions | daemonsets deployments deployments/rollback deployments/scale ingresses"
            " networkpolicies replicasets replicasets/scale replicationcontrollers/scale",
            "write | policy | poddisruptionbudgets",
            "write | networking.k8s.io | ingresses networkpolicies",
            "read write | coordination.k8s.io | leases",
            "write | resource.k8s.io | resourceclaims resourceclaimtemplates",
        ),
    ),
    "system:aggregate-to-view": (
        "view",
        (
            "read | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods"
            " replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
            "read | core | bindings events limitranges namespaces/status pods/log pods/status"
            " replicationcontrollers/status resourcequotas resourcequotas/status",
            "read | core | namespaces",
            "read | discovery.k8s.io | endpointslices",
            "read | apps | controllerrevisions daemonsets/status deployments/scale replicasets/scale statefulsets/scale "
            + _WORKLOADS.replace("{}", "status"),
            "read | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status",
            "read | batch | cronjobs cronjobs/status jobs jobs/status",
            "read | extensions | daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses"
            " ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
            "read | policy | poddisruptionbudgets poddisruptionbudgets/status",
            "read | networking.k8s.io | ingresses ingresses/status networkpolicies",
            "read | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates",
        ),
    ),
}

# Gathering roles: name -> the role that gathers this one in turn.
GATHERING = {"admin": "", "edit": "admin", "view": "edit"}

_APPROVE = "approve | certificates.k8s.io | signers | kubernetes.io/"
_CSR = "system:certificates.k8s.io:"

ROLES: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("* | * | *", "* | url | *"),
    "system:discovery": (
        "get | url | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    ),
    "system:public-info-viewer": ("get | url | /healthz /livez /readyz /version /version/",),
    "system:basic-user": (
        "create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews",
        "create | authentication.k8s.io | selfsubjectreviews",
    ),
    "system:monitoring": (
        "get | url | /flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz",
    ),
    "system:service-account-issuer-discovery": ("get | url | /.well-known/openid-configuration /openid/v1/jwks",),
    "system:cluster-trust-bundle-discovery": ("read | certificates.k8s.io | clustertrustbundles",),
    f"{_CSR}certificatesigningrequests:nodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/nodeclient",
    ),
    f"{_CSR}certificatesigningrequests:selfnodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/selfnodeclient",
    ),
    f"{_CSR}kube-apiserver-client-approver": (_APPROVE + "kube-apiserver-client",),
    f"{_CSR}kube-apiserver-client-kubelet-approver": (_APPROVE + "kube-apiserver-client-kubelet",),
    f"{_CSR}kubelet-serving-approver": (_APPROVE + "kubelet-serving",),
    f"{_CSR}legacy-unknown-approver": (_APPROVE + "legacy-unknown",),
}
