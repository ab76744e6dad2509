"""A node's CSI driver attaches only so many volumes: its CSINode says how many."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pocketkube.client.resources import CSINODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from scheduler.framework import NODE_ADDED, POD_DELETED, SELF_UPDATED, Handle, NodeFilter, Refusal
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.volumes import claims_of, class_name

Obj = dict[str, Any]
Volume = tuple[str, str]  # driver, volume handle (or the claim, while there is no volume)

REFUSAL = Refusal("NodeVolumeLimits", ("node(s) exceed max volume count",))


class Limited:
    reads_pods = True

    def __init__(self, wanted: frozenset[Volume], plugin: NodeVolumeLimits):
        self._wanted, self._plugin = wanted, plugin

    def filter(self, node: NodeInfo) -> Refusal | None:
        limits = self._plugin.limits(node.name)
        if not limits:
            return None
        attached: set[Volume] = set()
        for pod in node.pods.values():
            attached |= self._plugin.volumes(pod)
        for driver in {d for d, _ in self._wanted - attached}:
            count = sum(d == driver for d, _ in attached | self._wanted)
            if driver in limits and count > limits[driver]:
                return REFUSAL
        return None


class NodeVolumeLimits:
    name = "NodeVolumeLimits"
    wakes = frozenset({NODE_ADDED, POD_DELETED, SELF_UPDATED, "csinodes", "persistentvolumeclaims"})

    def __init__(self, handle: Handle, args: Obj):
        self._nodes = handle.store(CSINODES)
        self._claims, self._volumes = handle.store(PERSISTENTVOLUMECLAIMS), handle.store(PERSISTENTVOLUMES)
        self._classes = handle.store(STORAGECLASSES)
        self._version = 0
        handle.informers.of(CSINODES).add_handler(
            on_add=lambda _: self._touch(), on_update=lambda _, __: self._touch(), on_delete=lambda _: self._touch()
        )

    def _touch(self) -> None:
        self._version += 1

    def signature(self, pod: PodInfo) -> Hashable:
        wanted = self.volumes(pod)
        return (wanted, self._version) if wanted else None

    def pre_filter(self, pod: PodInfo) -> NodeFilter | None:
        wanted = self.volumes(pod)
        return Limited(wanted, self) if wanted else None

    def limits(self, node: str) -> dict[str, int]:
        found = self._nodes.get(node)
        drivers = ((found or {}).get("spec") or {}).get("drivers") or ()
        counts = ((d["name"], (d.get("allocatable") or {}).get("count")) for d in drivers)
        return {name: count for name, count in counts if count is not None}

    def volumes(self, pod: PodInfo) -> frozenset[Volume]:
        """The CSI volumes that the pod's claims are, or will be."""
        if not pod.spec.get("volumes"):
            return frozenset()
        found: set[Volume] = set()
        for claim, name in claims_of(pod, self._claims):
            volume = self._volumes.get(((claim or {}).get("spec") or {}).get("volumeName") or "")
            if volume is not None:
                csi = volume["spec"].get("csi")
                if csi:
                    found.add((csi["driver"], csi["volumeHandle"]))
            elif claim is not None and (driver := self._provisioner(claim)):
                found.add((driver, f"{pod.namespace}/{name}"))
        return frozenset(found)

    def _provisioner(self, claim: Obj) -> str:
        return str((self._classes.get(class_name(claim)) or {}).get("provisioner") or "")


PLUGIN = NodeVolumeLimits
