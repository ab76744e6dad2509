"""A claim with access mode ReadWriteOncePod serves one pod at a time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pocketkube.client.resources import PERSISTENTVOLUMECLAIMS
from scheduler.framework import POD_DELETED, SELF_UPDATED, Facet, Handle, Refusal
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.volumes import claim_name, claims_of

REFUSAL = Refusal(
    "VolumeRestrictions",
    ("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",),
)


class Alone(Facet):
    """Whoever uses the claim now, on whichever node, keeps it; room is made on that node if anywhere."""

    reads_pods = True

    def __init__(self, namespace: str, claims: frozenset[str]):
        self._namespace, self._claims = namespace, claims
        self._used_on: set[str] = set()

    def matters(self, pod: PodInfo) -> bool:
        return self._uses(pod)

    def observe(self, name: str, node: NodeInfo | None) -> None:
        used = node is not None and any(self._uses(pod) for pod in node.pods.values())
        (self._used_on.add if used else self._used_on.discard)(name)

    def filter(self, facet: None) -> Refusal | None:
        return REFUSAL if self._used_on else None

    def _uses(self, pod: PodInfo) -> bool:
        if pod.namespace != self._namespace:
            return False
        return any(claim_name(pod.name, v) in self._claims for v in pod.spec.get("volumes") or ())


class VolumeRestrictions:
    name = "VolumeRestrictions"
    reads_cluster = True
    wakes = frozenset({POD_DELETED, SELF_UPDATED, "persistentvolumeclaims"})

    def __init__(self, handle: Handle, args: dict[str, Any]):
        self._claims = handle.store(PERSISTENTVOLUMECLAIMS)

    def signature(self, pod: PodInfo) -> Hashable:
        return (pod.namespace, self._exclusive(pod)) if pod.spec.get("volumes") else None

    def pre_filter(self, pod: PodInfo) -> Facet | None:
        claims = self._exclusive(pod)
        return Alone(pod.namespace, claims) if claims else None

    def _exclusive(self, pod: PodInfo) -> frozenset[str]:
        found = claims_of(pod, self._claims)
        return frozenset(
            name for claim, name in found if claim and "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())
        )


PLUGIN = VolumeRestrictions
