"""Rows of tables, as `kubectl get -o wide` shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pocketkube.api import scheme

Obj = dict[str, Any]

NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)
CREATED = "2026-11-21T04:55:00Z"  # 5m ago
KINDS = scheme.builtin()
N = "<none>"


def table(api_version: str, kind_name: str, **fields: Any) -> tuple[list[str], list[Any]]:
    kind = KINDS.of(api_version, kind_name)
    assert kind is not None and kind.row is not None
    meta = {"name": "web", "creationTimestamp": CREATED, **fields.pop("metadata", {})}
    return [column.name.upper() for column in kind.columns], kind.row({"metadata": meta, **fields}, NOW)


def state(name: str = "a", *, restarts: int = 0, ready: bool = False, last: str = "", **state: Any) -> Obj:
    found: Obj = {"name": name, "restartCount": restarts, "ready": ready, "state": state}
    if last:
        found["lastState"] = {"terminated": {"finishedAt": last}}
    return found


ONE = {"containers": [{"name": "a"}]}
WITH_INIT = {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}, {"name": "j"}]}
SIDECAR = {"containers": [{"name": "a"}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("spec", "status", "metadata", "cells"),
    [
        pytest.param(ONE, {"phase": "Pending"}, {}, ["0/1", "Pending", "0"], id="pending"),
        pytest.param(
            ONE,
            {"phase": "Running", "containerStatuses": [state(ready=True, running={})]},
            {},
            ["1/1", "Running", "0"],
            id="running",
        ),
        pytest.param(
            ONE,
            {
                "phase": "Running",
                "containerStatuses": [
                    state(restarts=3, last="2026-11-21T04:58:00Z", waiting={"reason": "CrashLoopBackOff"})
                ],
            },
            {},
            ["0/1", "CrashLoopBackOff", "3 (2m ago)"],
            id="crash-loop",
        ),
        pytest.param(
            ONE,
            {"phase": "Succeeded", "containerStatuses": [state(terminated={"reason": "Completed", "exitCode": 0})]},
            {},
            ["0/1", "Completed", "0"],
            id="completed",
        ),
        pytest.param(
            ONE,
            {"phase": "Failed", "containerStatuses": [state(terminated={"exitCode": 3})]},
            {},
            ["0/1", "ExitCode:3", "0"],
            id="exit-code",
        ),
        pytest.param(
            ONE,
            {"phase": "Failed", "containerStatuses": [state(terminated={"exitCode": 137, "signal": 9})]},
            {},
            ["0/1", "Signal:9", "0"],
            id="signal",
        ),
        pytest.param(
            WITH_INIT,
            {
                "phase": "Pending",
                "initContainerStatuses": [state("i", terminated={"exitCode": 0}), state("j", running={})],
            },
            {},
            ["0/1", "Init:1/2", "0"],
            id="init",
        ),
        pytest.param(
            WITH_INIT,
            {
                "phase": "Pending",
                "initContainerStatuses": [state("i", restarts=2, waiting={"reason": "CrashLoopBackOff"})],
            },
            {},
            ["0/1", "Init:CrashLoopBackOff", "2"],
            id="init-crash",
        ),
        pytest.param(
            SIDECAR,
            {
                "phase": "Running",
                "initContainerStatuses": [{**state("s", ready=True, restarts=1, running={}), "started": True}],
                "containerStatuses": [state(ready=True, running={})],
            },
            {},
            ["2/2", "Running", "1"],
            id="sidecar",
        ),
        pytest.param(
            ONE,
            {"phase": "Running", "containerStatuses": [state(ready=True, running={})]},
            {"deletionTimestamp": CREATED},
            ["1/1", "Terminating", "0"],
            id="terminating",
        ),
        pytest.param(ONE, {"phase": "Failed", "reason": "Evicted"}, {}, ["0/1", "Evicted", "0"], id="evicted"),
        pytest.param(
            ONE,
            {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            {},
            ["0/1", "SchedulingGated", "0"],
            id="gated",
        ),
    ],
)
def test_pods(spec: Obj, status: Obj, metadata: Obj, cells: list[str]) -> None:
    _, row = table("v1", "Pod", spec=spec, status=status, metadata=metadata)
    assert row == ["web", *cells, "5m", N, N, N, N]


def test_pods_wide() -> None:
    spec = {**ONE, "nodeName": "n1", "readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]}
    status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "x", "status": "True"}]}
    head, row = table("v1", "Pod", spec=spec, status=status)
    assert head == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert row[5:] == ["10.0.0.1", "n1", N, "1/2"]


TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "b:1"}, {"name": "c", "image": "d"}]}}
SELECTED = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}

ROWS = [
    pytest.param(
        "apps/v1", "Deployment", {"spec": SELECTED, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}},
        "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR", ["web", "2/3", 3, 2, "5m", "a,c", "b:1,d", "app=web"],
        id="deployment",
    ),
    pytest.param(
        "apps/v1", "ReplicaSet", {"spec": SELECTED, "status": {"replicas": 3}},
        "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR", ["web", 3, 3, 0, "5m", "a,c", "b:1,d", "app=web"],
        id="replicaset",
    ),
    pytest.param(
        "apps/v1", "StatefulSet", {"spec": SELECTED, "status": {"readyReplicas": 1}},
        "NAME READY AGE CONTAINERS IMAGES", ["web", "1/3", "5m", "a,c", "b:1,d"], id="statefulset",
    ),
    pytest.param(
        "apps/v1", "DaemonSet", {"spec": SELECTED, "status": {"desiredNumberScheduled": 2, "numberReady": 1}},
        "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE CONTAINERS IMAGES SELECTOR",
        ["web", 2, 0, 1, 0, 0, N, "5m", "a,c", "b:1,d", "app=web"], id="daemonset",
    ),
    pytest.param(
        "batch/v1", "Job",
        {
            "spec": {"completions": 3, **SELECTED},
            "status": {"succeeded": 1, "startTime": CREATED},
        },
        "NAME STATUS COMPLETIONS DURATION AGE CONTAINERS IMAGES SELECTOR",
        ["web", "Running", "1/3", "5m", "5m", "a,c", "b:1,d", "app=web"], id="job",
    ),
    pytest.param(
        "batch/v1", "CronJob",
        {"spec": {"schedule": "* * * * *", "suspend": False, "jobTemplate": {"spec": {"template": TEMPLATE}}}},
        "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE CONTAINERS IMAGES SELECTOR",
        ["web", "* * * * *", N, "False", 0, N, "5m", "a,c", "b:1,d", N], id="cronjob",
    ),
    pytest.param(
        "v1", "Service",
        {"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}},
        "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR", ["web", "NodePort", "10.0.0.1", N, "80:30080/TCP", "5m", N],
        id="service",
    ),
    pytest.param(
        "v1", "Service", {"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}},
        "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR", ["web", "LoadBalancer", "10.0.0.1", "<pending>", N, "5m", N],
        id="balancer",
    ),
    pytest.param(
        "v1", "Node",
        {
            "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
            "spec": {"unschedulable": True},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.2"}],
                "nodeInfo": {
                    "kubeletVersion": "v1.37.0", "osImage": "Debian", "kernelVersion": "6", "containerRuntimeVersion": "docker://20",
                },
            },
        },
        "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME",
        ["web", "Ready,SchedulingDisabled", "control-plane", "5m", "v1.37.0", "10.0.0.2", N, "Debian", "6", "docker://20"], id="node",
    ),
    pytest.param("v1", "Namespace", {"status": {"phase": "Active"}}, "NAME STATUS AGE", ["web", "Active", "5m"], id="namespace"),
    pytest.param("v1", "ConfigMap", {"data": {"a": "b"}}, "NAME DATA AGE", ["web", 1, "5m"], id="configmap"),
    pytest.param("v1", "Secret", {"type": "Opaque"}, "NAME TYPE DATA AGE", ["web", "Opaque", 0, "5m"], id="secret"),
    pytest.param("v1", "ServiceAccount", {}, "NAME SECRETS AGE", ["web", 0, "5m"], id="serviceaccount"),
    pytest.param(
        "v1", "PersistentVolumeClaim",
        {
            "spec": {"volumeName": "pv", "storageClassName": "fast", "volumeMode": "Filesystem"},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]},
        },
        "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE VOLUMEMODE",
        ["web", "Bound", "pv", "1Gi", "RWO", "fast", "<unset>", "5m", "Filesystem"], id="pvc",
    ),
    pytest.param(
        "v1", "PersistentVolume",
        {
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "default", "name": "c"}, "volumeMode": "Block",
            },
            "status": {"phase": "Bound"},
        },
        "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE",
        ["web", "1Gi", "RWO,RWX", "Retain", "Bound", "default/c", "", "<unset>", "", "5m", "Block"], id="pv",
    ),
    pytest.param(
        "v1", "Endpoints",
        {"subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 6)], "ports": [{"port": 80}]}]},
        "NAME ENDPOINTS AGE", ["web", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...", "5m"], id="endpoints",
    ),
    pytest.param(
        "discovery.k8s.io/v1", "EndpointSlice",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]},
        "NAME ADDRESSTYPE PORTS ENDPOINTS AGE", ["web", "IPv4", "80", "10.0.0.1", "5m"], id="slice",
    ),
    pytest.param(
        "v1", "Event",
        {
            "type": "Warning", "reason": "Failed", "message": "it broke\n", "count": 4, "source": {"component": "kubelet", "host": "n1"},
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"}, "firstTimestamp": CREATED,
            "lastTimestamp": "2026-11-21T04:59:00Z",
        },
        "LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME",
        ["60s", "Warning", "Failed", "pod/p", "spec", "kubelet, n1", "it broke", "5m", 4, "web"], id="event",
    ),
    pytest.param(
        "coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "me"}}, "NAME HOLDER AGE", ["web", "me", "5m"], id="lease",
    ),
    pytest.param("rbac.authorization.k8s.io/v1", "Role", {}, "NAME CREATED AT", ["web", CREATED], id="role"),
    pytest.param(
        "rbac.authorization.k8s.io/v1", "RoleBinding",
        {
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}],
        },
        "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS", ["web", "Role/r", "5m", "u", "", "n/s"], id="rolebinding",
    ),
    pytest.param(
        "networking.k8s.io/v1", "Ingress", {"spec": {"ingressClassName": "n", "rules": [{"host": "a.b"}], "tls": [{}]}},
        "NAME CLASS HOSTS ADDRESS PORTS AGE", ["web", "n", "a.b", "", "80, 443", "5m"], id="ingress",
    ),
    pytest.param(
        "autoscaling/v2", "HorizontalPodAutoscaler",
        {
            "spec": {
                "minReplicas": 1, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}],
            },
            "status": {
                "currentReplicas": 2,
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}],
            },
        },
        "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE", ["web", "Deployment/d", "cpu: 12%/80%", "1", 5, 2, "5m"], id="hpa",
    ),
    pytest.param(
        "policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}},
        "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE", ["web", "50%", "N/A", 1, "5m"], id="pdb",
    ),
    pytest.param(
        "storage.k8s.io/v1", "StorageClass",
        {
            "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
        },
        "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
        ["web (default)", "p", "Delete", "Immediate", False, "5m"], id="storageclass",
    ),
    pytest.param(
        "v1", "ResourceQuota", {"status": {"hard": {"pods": "5", "limits.cpu": "2"}, "used": {"pods": "1"}}},
        "NAME REQUEST LIMIT AGE", ["web", "pods: 1/5", "limits.cpu: 0/2", "5m"], id="quota",
    ),
    pytest.param(
        "certificates.k8s.io/v1", "CertificateSigningRequest",
        {
            "spec": {"signerName": "a.b/c", "username": "u", "expirationSeconds": 3600},
            "status": {"certificate": "x", "conditions": [{"type": "Approved"}]},
        },
        "NAME AGE SIGNERNAME REQUESTOR REQUESTEDDURATION CONDITION", ["web", "5m", "a.b/c", "u", "60m", "Approved,Issued"], id="csr",
    ),
    pytest.param(
        "apiregistration.k8s.io/v1", "APIService", {"spec": {}, "status": {"conditions": [{"type": "Available", "status": "True"}]}},
        "NAME SERVICE AVAILABLE AGE", ["web", "Local", "True", "5m"], id="apiservice",
    ),
    pytest.param(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, "NAME CREATED AT", ["web", CREATED], id="crd",
    ),
    pytest.param(
        "scheduling.k8s.io/v1", "PriorityClass", {"value": 5, "preemptionPolicy": "Never"},
        "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY", ["web", 5, False, "5m", "Never"], id="priorityclass",
    ),
    pytest.param(
        "networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}}}, "NAME POD-SELECTOR AGE", ["web", N, "5m"], id="netpol",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("api_version", "kind", "fields", "head", "cells"), ROWS)
def test_rows(api_version: str, kind: str, fields: Obj, head: str, cells: list[Any]) -> None:
    """line 78: all printed kinds have rows."""
    names, row = table(api_version, kind, **fields)
    assert " ".join(names) == head
    assert row == cells
