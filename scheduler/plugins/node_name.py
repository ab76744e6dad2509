"""A pod that names a node fits only there."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from scheduler.framework import NODE_ADDED, SELF_UPDATED, Handle, NodeFilter, Refusal
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

REFUSAL = Refusal("NodeName", ("node(s) didn't match the requested node name",), False)


class Named:
    reads_pods = False

    def __init__(self, name: str):
        self._name = name

    def filter(self, node: NodeInfo) -> Refusal | None:
        return None if node.name == self._name else REFUSAL


class NodeName:
    name = "NodeName"
    wakes = frozenset({NODE_ADDED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        pass

    def signature(self, pod: PodInfo) -> Hashable:
        return str(pod.spec.get("nodeName") or "")

    def pre_filter(self, pod: PodInfo) -> NodeFilter | None:
        name = pod.spec.get("nodeName")
        return Named(name) if name else None


PLUGIN = NodeName
