"""A pod with scheduling gates waits until their owners have removed them all."""

from __future__ import annotations

from typing import Any

from scheduler.framework import SELF_UPDATED, Handle
from scheduler.pod_info import PodInfo


class SchedulingGates:
    name = "SchedulingGates"
    wakes = frozenset({SELF_UPDATED})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        pass

    def pre_enqueue(self, pod: PodInfo) -> str | None:
        gates = [g["name"] for g in pod.spec.get("schedulingGates") or ()]
        return f"waiting for scheduling gates: [{' '.join(gates)}]" if gates else None


PLUGIN = SchedulingGates
