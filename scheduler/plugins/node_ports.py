"""A host port can be held once a node, address and protocol."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from scheduler.framework import (
    NODE_ADDED,
    POD_DELETED,
    SELF_UPDATED,
    Event,
    Handle,
    NodeFilter,
    Refusal,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, Port, host_ports

REFUSAL = Refusal("NodePorts", ("node(s) didn't have free ports for the requested pod ports",))


class Free:
    reads_pods = True

    def __init__(self, ports: tuple[Port, ...]):
        self._ports = ports

    def filter(self, node: NodeInfo) -> Refusal | None:
        return REFUSAL if node.ports and any(node.takes(port) for port in self._ports) else None


class NodePorts:
    name = "NodePorts"
    wakes = frozenset({NODE_ADDED, POD_DELETED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        pass

    def signature(self, pod: PodInfo) -> Hashable:
        return pod.ports

    def pre_filter(self, pod: PodInfo) -> NodeFilter | None:
        return Free(pod.ports) if pod.ports else None

    def may_help(self, pod: PodInfo, event: Event) -> bool:
        return event.kind != POD_DELETED or event.old is None or bool(host_ports(event.old["spec"]))


PLUGIN = NodePorts
