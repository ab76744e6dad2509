"""Pods and nodes as the wire has them, short to write."""

from __future__ import annotations

import itertools
from typing import Any

Obj = dict[str, Any]

_uids = itertools.count(1)


def make_node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: dict[str, str] | None = None,
    taints: list[Obj] | None = None,
    unschedulable: bool = False,
    images: dict[str, int] | None = None,
    resources: dict[str, str] | None = None,
) -> Obj:
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, **(resources or {})}
    held = [{"names": [n], "sizeBytes": size} for n, size in (images or {}).items()]
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": taints or [], "unschedulable": unschedulable},
        "status": {"allocatable": allocatable, "images": held},
    }


def make_pod(
    name: str,
    *,
    cpu: str = "",
    memory: str = "",
    node: str = "",
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    priority: int = 0,
    ports: list[Obj] | None = None,
    image: str = "app",
    requests: dict[str, str] | None = None,
    **spec: Any,
) -> Obj:
    wanted = {**({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {}), **(requests or {})}
    container: Obj = {"name": "c", "image": image, "resources": {"requests": wanted} if wanted else {}}
    if ports:
        container["ports"] = ports
    body: Obj = {"containers": [container], "priority": priority, "schedulerName": "default-scheduler", **spec}
    if node:
        body["nodeName"] = node
    meta = {"name": name, "namespace": namespace, "uid": f"{name}-{next(_uids)}", "labels": labels or {}}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": body, "status": {"phase": "Pending"}}


def anti_affinity(labels: dict[str, str], key: str = "kubernetes.io/hostname", **term: Any) -> Obj:
    wanted = {"labelSelector": {"matchLabels": labels}, "topologyKey": key, **term}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [wanted]}}


def affinity(labels: dict[str, str], key: str = "kubernetes.io/hostname", **term: Any) -> Obj:
    wanted = {"labelSelector": {"matchLabels": labels}, "topologyKey": key, **term}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [wanted]}}


def spread(key: str, skew: int, labels: dict[str, str], *, hard: bool = True, **more: Any) -> Obj:
    action = "DoNotSchedule" if hard else "ScheduleAnyway"
    selector = {"matchLabels": labels}
    return {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": action, "labelSelector": selector, **more}
