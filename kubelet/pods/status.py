"""A pod's status from its spec, its containers' records and what the probes say. Pure.

Phase, conditions and container statuses are upstream's, reasons and messages included: users and controllers read them.
"""

from __future__ import annotations

from typing import Any

from kubelet.pods import spec
from kubelet.pods.container_status import ContainerStatuses
from kubelet.pods.phase import pod_phase
from kubelet.pods.view import View
from pocketkube.api.meta import times
from pocketkube.api.meta.objects import find_condition

Obj = dict[str, Any]

OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", "DisruptionTarget")


def pod_status(pod: Obj, view: View) -> Obj:
    """The whole status to be written; conditions that others own are kept."""
    old = pod.get("status") or {}
    has_init = bool(spec.init_containers(pod))
    make = ContainerStatuses(pod, old, view, "PodInitializing" if has_init else "ContainerCreating")
    status: Obj = {
        "observedGeneration": pod["metadata"].get("generation"),
        "startTime": old.get("startTime") or times.rfc3339(view.now),
        "qosClass": spec.qos_class(pod),
        "initContainerStatuses": [make.status(c, "initContainerStatuses") for c in spec.init_containers(pod)],
        "containerStatuses": [make.status(c, "containerStatuses") for c in spec.containers(pod)],
        "ephemeralContainerStatuses": [
            make.status(c, "ephemeralContainerStatuses") for c in spec.ephemeral_containers(pod)
        ],
    }
    if view.host_ips:
        status["hostIP"], status["hostIPs"] = view.host_ips[0], [{"ip": ip} for ip in view.host_ips]
    ips = [entry["ip"] for entry in old.get("podIPs") or ()] if not view.ips else list(view.ips)
    if ips:
        status["podIP"], status["podIPs"] = ips[0], [{"ip": ip} for ip in ips]
    status["phase"] = pod_phase(pod, status, old, view)
    if view.rejected:
        status["reason"], status["message"] = view.rejected
    elif old.get("reason"):
        status |= {name: old[name] for name in ("reason", "message") if old.get(name)}
    status["conditions"] = _conditions(pod, status, old, view)
    if old.get("nominatedNodeName"):
        status["nominatedNodeName"] = old["nominatedNodeName"]
    return {name: value for name, value in status.items() if value not in (None, [], "")}


# conditions


def _conditions(pod: Obj, status: Obj, old: Obj, view: View) -> list[Obj]:
    found = [dict(c) for c in old.get("conditions") or ()]
    now = times.rfc3339(view.now)
    generation = pod["metadata"].get("generation")
    sandbox = view.records.sandbox()
    up = sandbox is not None and sandbox.state == "running" and not view.rejected
    containers_ready = _containers_ready(pod, status)
    wanted: tuple[Obj, ...] = (
        {"type": "PodReadyToStartContainers", "status": str(up)},
        _initialized(pod, status),
        _ready(pod, containers_ready, found),
        {"type": "ContainersReady", **containers_ready},
    )
    if view.rejected and view.rejected[0] == "Evicted":
        target = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": view.rejected[1],
        }
        wanted = (*wanted, target)
    for condition in wanted:
        if generation is not None:
            condition["observedGeneration"] = generation
        _set(found, condition, now)
    if find_condition(found, "PodScheduled") is None:
        _set(found, {"type": "PodScheduled", "status": "True"}, now)
    return found


def _set(found: list[Obj], new: Obj, now: str) -> None:
    """Put the condition in place of the one of its type; its time moves only when its status does."""
    old = find_condition(found, new["type"])
    same = old is not None and old.get("status") == new["status"]
    since = (old.get("lastTransitionTime") or now) if old is not None and same else now
    made = {"lastProbeTime": None, "lastTransitionTime": since, **new}
    if old is None:
        found.append(made)
    else:
        found[found.index(old)] = made


def _initialized(pod: Obj, status: Obj) -> Obj:
    if status["phase"] == "Succeeded":
        return {"type": "Initialized", "status": "True", "reason": "PodCompleted"}
    by_name = {s["name"]: s for s in status.get("initContainerStatuses") or ()}
    incomplete = [
        c["name"]
        for c in spec.init_containers(pod)
        if not (by_name[c["name"]].get("started") if spec.is_sidecar(c) else by_name[c["name"]].get("ready"))
    ]
    main_started = any("running" in s["state"] or s.get("containerID") for s in status.get("containerStatuses") or ())
    if not incomplete or (main_started and all(_sidecar_named(pod, n) for n in incomplete)):
        return {"type": "Initialized", "status": "True"}
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message}


def _sidecar_named(pod: Obj, name: str) -> bool:
    return any(c["name"] == name and spec.is_sidecar(c) for c in spec.init_containers(pod))


def _containers_ready(pod: Obj, status: Obj) -> Obj:
    if status["phase"] == "Succeeded":
        return {"status": "False", "reason": "PodCompleted"}
    if status["phase"] == "Failed":
        return {"status": "False", "reason": "PodFailed"}
    sidecars = {c["name"] for c in spec.init_containers(pod) if spec.is_sidecar(c)}
    counted = [s for s in status.get("initContainerStatuses") or () if s["name"] in sidecars]
    unready = [s["name"] for s in (*counted, *(status.get("containerStatuses") or ())) if not s["ready"]]
    if not unready:
        return {"status": "True"}
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {"status": "False", "reason": "ContainersNotReady", "message": message}


def _ready(pod: Obj, containers_ready: Obj, conditions: list[Obj]) -> Obj:
    if containers_ready["status"] != "True":
        return {"type": "Ready", **containers_ready}
    missing = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        condition = find_condition(conditions, name)
        if condition is None:
            missing.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif condition.get("status") != "True":
            missing.append(f'the status of pod readiness gate "{name}" is not "True", but {condition.get("status")}')
    if missing:
        return {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(missing)}
    return {"type": "Ready", "status": "True"}
