"""A pod's phase from the states of its containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelet.pods import spec
from kubelet.pods.view import UNKNOWN_EXIT, View

Obj = dict[str, Any]


def pod_phase(pod: Obj, status: Obj, old: Obj, view: View) -> str:
    """A pod that ended stays ended."""
    if old.get("phase") in ("Succeeded", "Failed"):
        return str(old["phase"])
    if view.rejected:
        return "Failed"
    return _phase(pod, status, over=view.over)


def _phase(pod: Obj, status: Obj, *, over: bool = False) -> str:
    """By the states of all containers. `over`: no container runs or will, whatever the restart policy says."""
    by_name = {s["name"]: s for part in ("initContainerStatuses", "containerStatuses") for s in status.get(part) or ()}
    policy = spec.restart_policy(pod)
    main = [by_name[c["name"]]["state"] for c in spec.containers(pod)]
    if over and not any(
        "running" in by_name[c["name"]]["state"] for c in (*spec.init_containers(pod), *spec.containers(pod))
    ):
        codes = [(s.get("terminated") or {}).get("exitCode", UNKNOWN_EXIT) for s in main]
        return "Succeeded" if main and not any(codes) else "Failed"
    if (early := _phase_of_initialization(pod, by_name, policy)) and not any("running" in s for s in main):
        return early
    if any(
        "waiting" in s and not by_name[c["name"]].get("lastState")
        for s, c in zip(main, spec.containers(pod), strict=True)
    ):
        return "Pending"
    if any("running" in s or "waiting" in s for s in main):
        return "Running"
    sidecars = [c for c in spec.init_containers(pod) if spec.is_sidecar(c)]
    ended = [s["terminated"]["exitCode"] for s in main]
    again = any(spec.may_restart(pod, c, code) for c, code in zip(spec.containers(pod), ended, strict=True))
    if again or any("running" in by_name[c["name"]]["state"] for c in sidecars):
        return "Running"
    return "Failed" if any(ended) else "Succeeded"


def _phase_of_initialization(pod: Obj, by_name: Mapping[str, Obj], policy: str) -> str:
    """Pending or Failed while init containers are not through, "" after. Once the others have begun sidecars do not count."""
    main = [by_name[c["name"]] for c in spec.containers(pod)]
    begun = any("waiting" not in s["state"] or s.get("lastState") for s in main)
    for container in spec.init_containers(pod):
        found = by_name[container["name"]]
        state = found["state"]
        if spec.is_sidecar(container):
            if not begun and not found.get("started"):
                return "Pending"
        elif "terminated" not in state:
            return "Pending"
        elif state["terminated"]["exitCode"] != 0:
            return "Failed" if policy == "Never" else "Pending"
    return ""
