"""A bound volume with zone or region labels takes its pod to a node of that zone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pocketkube.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from scheduler.framework import NODE_ADDED, NODE_UPDATED, SELF_UPDATED, Handle, NodeFilter, Refusal
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.volumes import claims_of

LABELS = {
    "topology.kubernetes.io/zone": "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region": "failure-domain.beta.kubernetes.io/region",
}
REFUSAL = Refusal("VolumeZone", ("node(s) had no available volume zone",), False)


class InZone:
    reads_pods = False

    def __init__(self, wanted: list[tuple[str, frozenset[str]]]):
        self._wanted = wanted

    def filter(self, node: NodeInfo) -> Refusal | None:
        for key, zones in self._wanted:
            found = node.labels.get(key) or node.labels.get(LABELS.get(key, ""))
            if found not in zones and any(k in node.labels for pair in LABELS.items() for k in pair):
                return REFUSAL
        return None


class VolumeZone:
    name = "VolumeZone"
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, SELF_UPDATED, "persistentvolumeclaims", "persistentvolumes"})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        self._claims, self._volumes = handle.store(PERSISTENTVOLUMECLAIMS), handle.store(PERSISTENTVOLUMES)

    def signature(self, pod: PodInfo) -> Hashable:
        return tuple(self._wanted(pod)) if pod.spec.get("volumes") else ()

    def pre_filter(self, pod: PodInfo) -> NodeFilter | None:
        wanted = self._wanted(pod)
        return InZone(wanted) if wanted else None

    def _wanted(self, pod: PodInfo) -> list[tuple[str, frozenset[str]]]:
        """(label, allowed values) of each bound volume; several zones in one label are joined by `__`."""
        found = []
        for claim, _ in claims_of(pod, self._claims):
            volume = self._volumes.get(((claim or {}).get("spec") or {}).get("volumeName") or "")
            for key, value in ((volume or {"metadata": {}})["metadata"].get("labels") or {}).items():
                for current, old in LABELS.items():
                    if key in (current, old):
                        found.append((current, frozenset(value.split("__"))))
        return found


PLUGIN = VolumeZone
