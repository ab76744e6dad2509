"""What a node's conditions should say and which taints follow from them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Obj = dict[str, Any]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
}
_READY = {"False": NOT_READY, "Unknown": UNREACHABLE}
_MANAGED_NO_SCHEDULE = {NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURE.values()}
_SILENCED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def conditions_of(node: Obj) -> list[Obj]:
    return list((node.get("status") or {}).get("conditions") or ())


def ready_status(node: Obj) -> str:
    """True, False, Unknown, or "" before the kubelet said anything."""
    return next((str(c["status"]) for c in conditions_of(node) if c["type"] == "Ready"), "")


def taints_of(node: Obj) -> list[Obj]:
    return list((node.get("spec") or {}).get("taints") or ())


def silenced(node: Obj, now: str) -> list[Obj]:
    """The conditions of a node that was silent for longer than its grace: what the kubelet reports becomes Unknown."""
    found = conditions_of(node)
    for type in _SILENCED:
        old = next((c for c in found if c["type"] == type), None)
        if old is None:
            never = "Kubelet never posted node status."
            created = node["metadata"].get("creationTimestamp") or now
            stamps = {"lastHeartbeatTime": created, "lastTransitionTime": now}
            found.append(
                {"type": type, "status": "Unknown", **stamps, "reason": "NodeStatusNeverUpdated", "message": never}
            )
        elif old["status"] != "Unknown":
            stopped = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
            fresh = {**old, "status": "Unknown", "lastTransitionTime": now, **stopped}
            found = [fresh if c is old else c for c in found]
    return found


def no_schedule_keys(node: Obj) -> list[str]:
    """Keys of the NoSchedule taints that the node's conditions and its cordon ask for, in order."""
    keys = []
    for condition in conditions_of(node):
        if condition["type"] == "Ready" and condition["status"] in _READY:
            keys.append(_READY[condition["status"]])
        elif condition["type"] in _PRESSURE and condition["status"] == "True":
            keys.append(_PRESSURE[condition["type"]])
    if (node.get("spec") or {}).get("unschedulable"):
        keys.append(UNSCHEDULABLE)
    return keys


def with_no_schedule(node: Obj, now: str) -> list[Obj]:
    """The node's taints with the managed NoSchedule ones as they should be; all others stay as they are."""
    wanted = no_schedule_keys(node)
    kept = [
        t for t in taints_of(node)
        if t["effect"] != "NoSchedule" or t["key"] not in _MANAGED_NO_SCHEDULE or t["key"] in wanted
    ]  # fmt: skip
    present = {t["key"] for t in kept if t["effect"] == "NoSchedule"}
    return kept + [{"key": k, "effect": "NoSchedule", "timeAdded": now} for k in wanted if k not in present]


def no_execute_key(node: Obj) -> str:
    """The key of the NoExecute taint that the node deserves, "" for a ready one (or one that never spoke)."""
    return _READY.get(ready_status(node), "")


def no_execute_present(node: Obj) -> set[str]:
    return {t["key"] for t in taints_of(node) if t["effect"] == "NoExecute" and t["key"] in (NOT_READY, UNREACHABLE)}


def with_no_execute(taints: Iterable[Obj], key: str, now: str) -> list[Obj]:
    """`taints` with exactly the NoExecute taint `key` of the two that tell of a lost node; "" removes both."""
    kept = [
        t for t in taints
        if t["effect"] != "NoExecute" or t["key"] not in (NOT_READY, UNREACHABLE) or t["key"] == key
    ]  # fmt: skip
    if key and not any(t["key"] == key and t["effect"] == "NoExecute" for t in kept):
        kept.append({"key": key, "effect": "NoExecute", "timeAdded": now})
    return kept
