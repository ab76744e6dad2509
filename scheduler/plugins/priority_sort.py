"""Higher priority first; among equals, who came first."""

from __future__ import annotations

from typing import Any

from scheduler.framework import Handle
from scheduler.pod_info import PodInfo


class PrioritySort:
    name = "PrioritySort"
    wakes: frozenset[str] = frozenset()

    def __init__(self, handle: Handle, args: dict[str, Any]):
        pass

    def sort_key(self, pod: PodInfo, added_at: float) -> tuple[int, float]:
        return -pod.priority, added_at


PLUGIN = PrioritySort
