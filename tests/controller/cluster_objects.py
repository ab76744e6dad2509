"""Objects as the API server would store them, short to write in tables."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)
STAMP = "2026-11-21T03:00:00Z"
_uids = itertools.count(1)


def uid() -> str:
    return f"uid-{next(_uids)}"


def owned_by(owner: Obj, kind: str, api_version: str = "apps/v1") -> list[Obj]:
    metadata = owner["metadata"]
    reference = {"apiVersion": api_version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}
    return [{**reference, "controller": True, "blockOwnerDeletion": True}]


def pod(
    name: str = "",
    *,
    ready: bool = False,
    phase: str = "Running",
    node: str = "node-1",
    ip: str = "",
    since: str = STAMP,
    deleting: bool = False,
    labels: dict[str, str] | None = None,
    **metadata: Any,
) -> Obj:
    identity = uid()
    status: Obj = {"phase": phase}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    status["conditions"] = [
        {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since},
    ]
    meta: Obj = {
        "name": name or f"pod-{identity}",
        "namespace": "default",
        "uid": identity,
        "labels": labels if labels is not None else {"app": "web"},
        "creationTimestamp": since,
        "resourceVersion": "1",
        **metadata,
    }
    if deleting:
        meta["deletionTimestamp"] = STAMP
    return {"metadata": meta, "spec": {"nodeName": node, "containers": [{"name": "c"}]}, "status": status}


def template(**labels: str) -> Obj:
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "a"}]}}


def workload(
    name: str = "web", *, status: Obj | None = None, annotations: dict[str, str] | None = None, **spec: Any
) -> Obj:
    """A Deployment, ReplicaSet or Job by what its spec says."""
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-of-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": STAMP,
        "annotations": annotations or {},
    }
    body = {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}
    return {"metadata": metadata, "spec": body, "status": status or {}}


def node(name: str = "node-1", *, ready: str = "True", unschedulable: bool = False, **metadata: Any) -> Obj:
    conditions = (
        [{"type": "Ready", "status": ready, "lastHeartbeatTime": STAMP, "lastTransitionTime": STAMP}] if ready else []
    )
    spec: Obj = {"unschedulable": True} if unschedulable else {}
    meta = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "1", "creationTimestamp": STAMP, **metadata}
    return {"metadata": meta, "spec": spec, "status": {"conditions": conditions}}
