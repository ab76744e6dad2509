"""A node as the scheduler sees it: what it has, what its pods take, and the version of that knowledge."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pocketkube.api.kinds.podspec.resources import amounts
from scheduler.pod_info import ANY_IP, PodInfo, Port
from scheduler.requests import Resources

Obj = dict[str, Any]


JOURNAL = 32


class NodeInfo:
    """`version` rises with every change here, `object_version` when the Node object itself changed.

    A node whose pods are known before (or after) the Node object has `node` None and takes no pods."""

    __slots__ = (
        "allocatable",
        "images",
        "journal",
        "journal_from",
        "label_groups",
        "labels",
        "name",
        "node",
        "object_version",
        "pods",
        "ports",
        "requested",
        "scored_cpu",
        "scored_memory",
        "taints",
        "unschedulable",
        "version",
        "with_anti_affinity",
        "with_preferences",
    )  # fmt: skip

    def __init__(self, name: str):
        self.name = name
        self.version = self.object_version = 0
        self.pods: dict[str, PodInfo] = {}
        self.requested: Resources = {}
        self.scored_cpu = self.scored_memory = 0  # requests where pods that state none count as small ones
        self.ports: dict[Port, int] = {}
        self.label_groups: dict[Hashable, tuple[int, PodInfo]] = {}  # pods no selector tells apart: count, one of them
        self.with_anti_affinity: dict[str, PodInfo] = {}  # pods that refuse others beside them
        self.with_preferences: dict[str, PodInfo] = {}  # pods that add to or take from others' scores
        self.journal: list[tuple[int, PodInfo]] = []  # (version, pod that came or went), the latest last
        self.journal_from = 0  # the journal is complete after this version
        self.set_node(None)

    def set_node(self, node: Obj | None) -> None:
        self.node = node
        spec, status = ((node.get("spec") or {}), (node.get("status") or {})) if node else ({}, {})
        self.labels: dict[str, str] = (node["metadata"].get("labels") or {}) if node else {}
        self.taints: list[Obj] = spec.get("taints") or []
        self.unschedulable: bool = bool(spec.get("unschedulable"))
        self.allocatable: Resources = amounts(status.get("allocatable") or status.get("capacity"))
        self.images: dict[str, int] = {
            name: image.get("sizeBytes", 0) for image in status.get("images") or () for name in image.get("names") or ()
        }

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.uid] = pod
        self._count(pod, 1)
        for port in pod.ports:
            self.ports[port] = self.ports.get(port, 0) + 1
        count, _ = self.label_groups.get(pod.labels_key, (0, pod))
        self.label_groups[pod.labels_key] = (count + 1, pod)
        if pod.anti_affinity:
            self.with_anti_affinity[pod.uid] = pod
        if pod.has_preferences:
            self.with_preferences[pod.uid] = pod

    def remove(self, uid: str) -> PodInfo | None:
        pod = self.pods.pop(uid, None)
        if pod is None:
            return None
        self._count(pod, -1)
        for port in pod.ports:
            self.ports[port] -= 1
            if not self.ports[port]:
                del self.ports[port]
        count, kept = self.label_groups[pod.labels_key]
        if count == 1:
            del self.label_groups[pod.labels_key]
        else:
            self.label_groups[pod.labels_key] = (count - 1, kept)
        self.with_anti_affinity.pop(uid, None)
        self.with_preferences.pop(uid, None)
        return pod

    def note(self, pod: PodInfo) -> None:
        """Writes into the journal that `pod` came or went at the node's present version."""
        self.journal.append((self.version, pod))
        if len(self.journal) > 2 * JOURNAL:
            self.journal_from = self.journal[-JOURNAL - 1][0]
            del self.journal[:-JOURNAL]

    def pods_changed_since(self, version: int) -> list[PodInfo] | None:
        """Pods that came or went after `version`; None if that is too long ago to tell."""
        if version < self.journal_from:
            return None
        found = []
        for at, pod in reversed(self.journal):
            if at <= version:
                break
            found.append(pod)
        return found

    def copy(self) -> NodeInfo:
        """A copy to try things on; pods and the Node object are shared."""
        made = NodeInfo.__new__(NodeInfo)
        for name in NodeInfo.__slots__:
            value = getattr(self, name)
            setattr(made, name, dict(value) if name in _OWN else value)
        return made

    def takes(self, port: Port) -> bool:
        """True if a pod here holds `port`: the same port and protocol on that address, or either on all addresses."""
        address, protocol, number = port
        if address == ANY_IP:
            return any(p == protocol and n == number for _, p, n in self.ports)
        return port in self.ports or (ANY_IP, protocol, number) in self.ports

    def _count(self, pod: PodInfo, sign: int) -> None:
        for name, n in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * n
        cpu, memory = pod.scoring_requests
        self.scored_cpu += sign * cpu
        self.scored_memory += sign * memory


_OWN = frozenset(("pods", "requested", "ports", "label_groups", "with_anti_affinity", "with_preferences"))
