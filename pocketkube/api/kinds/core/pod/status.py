"""What a pod's status says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

Obj = dict[str, Any]

FINISHED = ("Succeeded", "Failed")
MIRROR = "kubernetes.io/config.mirror"


def phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def is_finished(pod: Mapping[str, Any]) -> bool:
    """Succeeded or Failed: it runs no more and uses nothing."""
    return phase(pod) in FINISHED


def is_terminating(pod: Mapping[str, Any]) -> bool:
    return pod["metadata"].get("deletionTimestamp") is not None


def is_scheduled(pod: Mapping[str, Any]) -> bool:
    """Bound to a node."""
    return bool(pod["spec"].get("nodeName"))


def is_static_mirror(pod: Mapping[str, Any]) -> bool:
    """A picture in the API of a pod that a kubelet reads from a file."""
    return MIRROR in (pod["metadata"].get("annotations") or ())


def ready_condition(pod: Mapping[str, Any]) -> Obj | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return dict(condition)
    return None


def is_ready(pod: Mapping[str, Any]) -> bool:
    """The Ready condition is True."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    return False


def is_available(pod: Mapping[str, Any], *, min_ready_seconds: int, now: datetime) -> bool:
    """Ready for at least `min_ready_seconds`."""
    condition = ready_condition(pod)
    if condition is None or condition.get("status") != "True":
        return False
    if not min_ready_seconds:
        return True
    since = condition.get("lastTransitionTime")
    return bool(since) and datetime.fromisoformat(str(since)) + timedelta(seconds=min_ready_seconds) <= now


def finished_at(pod: Mapping[str, Any]) -> datetime | None:
    """When the last container ended; None where none has."""
    ends = [
        (status.get("state") or {}).get("terminated", {}).get("finishedAt")
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    return max((datetime.fromisoformat(end) for end in ends if end), default=None)


def container_status(pod: Mapping[str, Any], name: str) -> Obj | None:
    """The status of a container of any sort."""
    status = pod.get("status") or {}
    for which in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for found in status.get(which) or ():
            if found.get("name") == name:
                return dict(found)
    return None


def pod_ips(pod: Mapping[str, Any]) -> list[str]:
    status = pod.get("status") or {}
    found = [ip["ip"] for ip in status.get("podIPs") or () if ip.get("ip")]
    return found or ([status["podIP"]] if status.get("podIP") else [])
