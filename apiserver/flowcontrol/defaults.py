"""The levels and flow schemas that a new cluster has, as objects: the fixed two of each, and upstream's suggestions."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds.flowcontrol._fixed import EVERYTHING, FLOW_SCHEMAS, PRIORITY_LEVELS, groups

Obj = dict[str, Any]

AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
API_VERSION = "flowcontrol.apiserver.k8s.io/v1"

# shares, lendable percent, queues, hand size
_LEVELS = {
    "system": (30, 33, 64, 6),
    "node-high": (40, 25, 64, 6),
    "leader-election": (10, 0, 16, 4),
    "workload-high": (40, 50, 128, 6),
    "workload-low": (100, 90, 128, 6),
    "global-default": (20, 50, 128, 6),
}
_QUEUE_LENGTH = 50
_HOLDERS = ["get", "create", "update"]  # what leader election does
_EVERYONE = groups("system:unauthenticated", "system:authenticated")


def _users(*names: str) -> list[Obj]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _accounts(*names: str) -> list[Obj]:
    account = {"kind": "ServiceAccount"}
    return [{**account, "serviceAccount": {"name": name, "namespace": "kube-system"}} for name in names]


def _resources(group: str, *resources: str, verbs: list[str], namespaces: str = "*", cluster: bool = False) -> Obj:
    rule: Obj = {"verbs": verbs, "apiGroups": [group], "resources": list(resources), "namespaces": [namespaces]}
    return rule | {"clusterScope": True} if cluster else rule


_LEASES = "coordination.k8s.io"
_CONTROLLER_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
_HEALTH = {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}

# level, precedence, how flows are told apart, rules
_SCHEMAS: dict[str, tuple[str, int, str, list[Obj]]] = {
    "probes": ("exempt", 2, "", [{"subjects": _EVERYONE, **_HEALTH}]),
    "system-leader-election": (
        "leader-election", 100, "ByUser", [{
            "subjects": _users(_CONTROLLER_MANAGER, _SCHEDULER) + _accounts("*"),
            "resourceRules": [_resources(_LEASES, "leases", verbs=_HOLDERS, namespaces="kube-system")],
        }],
    ),
    "endpoint-controller": (
        "workload-high", 150, "ByUser", [{
            "subjects": _users(_CONTROLLER_MANAGER) + _accounts("endpoint-controller", "endpointslicemirroring-controller"),
            "resourceRules": [_resources("", "endpoints", verbs=_HOLDERS)],
        }],
    ),
    "workload-leader-election": (
        "leader-election", 200, "ByUser", [{
            "subjects": _accounts("*"), "resourceRules": [_resources(_LEASES, "leases", verbs=_HOLDERS)],
        }],
    ),
    "system-node-high": (
        "node-high", 400, "ByUser", [{
            "subjects": groups("system:nodes"),
            "resourceRules": [
                _resources("", "nodes", "nodes/status", verbs=["*"], cluster=True),
                _resources(_LEASES, "leases", verbs=["*"]),
            ],
        }],
    ),
    "system-nodes": ("system", 500, "ByUser", [{"subjects": groups("system:nodes"), **EVERYTHING}]),
    "kube-controller-manager": (
        "workload-high", 800, "ByNamespace", [{"subjects": _users(_CONTROLLER_MANAGER), **EVERYTHING}],
    ),
    "kube-scheduler": ("workload-high", 800, "ByNamespace", [{"subjects": _users(_SCHEDULER), **EVERYTHING}]),
    "kube-system-service-accounts": (
        "workload-high", 900, "ByNamespace", [{"subjects": _accounts("*"), **EVERYTHING}],
    ),
    "service-accounts": ("workload-low", 9000, "ByUser", [{"subjects": groups("system:serviceaccounts"), **EVERYTHING}]),
    "global-default": ("global-default", 9900, "ByUser", [{"subjects": _EVERYONE, **EVERYTHING}]),
}  # fmt: skip


def levels() -> list[Obj]:
    """PriorityLevelConfigurations."""
    specs = dict(PRIORITY_LEVELS)
    for name, (shares, lendable, queues, hand) in _LEVELS.items():
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": _QUEUE_LENGTH}
        limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable}
        specs[name] = {
            "type": "Limited",
            "limited": {**limited, "limitResponse": {"type": "Queue", "queuing": queuing}},
        }
    return [_object("PriorityLevelConfiguration", name, spec) for name, spec in specs.items()]


def schemas() -> list[Obj]:
    """FlowSchemas."""
    specs = dict(FLOW_SCHEMAS)
    for name, (level, precedence, method, rules) in _SCHEMAS.items():
        spec: Obj = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules}
        specs[name] = spec | {"distinguisherMethod": {"type": method}} if method else spec
    return [_object("FlowSchema", name, spec) for name, spec in specs.items()]


def _object(kind: str, name: str, spec: Obj) -> Obj:
    metadata = {"name": name, "annotations": {AUTOUPDATE: "true"}}
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": metadata, "spec": spec}


def mandatory(name: str) -> bool:
    return name in FLOW_SCHEMAS
