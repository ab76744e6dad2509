"""A cordoned node takes only pods that tolerate being there."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pocketkube.api.kinds.podspec.node_fit import tolerates
from scheduler.framework import NODE_ADDED, NODE_UPDATED, SELF_UPDATED, Event, Handle, NodeFilter, Refusal
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
REFUSAL = Refusal("NodeUnschedulable", ("node(s) were unschedulable",), False)


class Open:
    reads_pods = False

    def filter(self, node: NodeInfo) -> Refusal | None:
        return REFUSAL if node.unschedulable else None


class NodeUnschedulable:
    name = "NodeUnschedulable"
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        self._open = Open()

    def signature(self, pod: PodInfo) -> Hashable:
        return self._tolerated(pod)

    def pre_filter(self, pod: PodInfo) -> NodeFilter | None:
        return None if self._tolerated(pod) else self._open

    def may_help(self, pod: PodInfo, event: Event) -> bool:
        return event.kind == SELF_UPDATED or not ((event.new or {}).get("spec") or {}).get("unschedulable")

    def _tolerated(self, pod: PodInfo) -> bool:
        return any(tolerates(t, UNSCHEDULABLE_TAINT) for t in pod.spec.get("tolerations") or ())


PLUGIN = NodeUnschedulable
