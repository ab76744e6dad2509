"""A pod's claims, and whether a persistent volume serves a claim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.api.kinds.podspec import node_fit
from pocketkube.api.meta import quantity
from pocketkube.client.store import Store
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, compiled

Obj = dict[str, Any]

BOUND_COMPLETELY = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


def claims_of(pod: PodInfo, claims: Store) -> Iterator[tuple[Obj | None, str]]:
    """(claim or None if it does not exist, its name) of each volume that is a claim, ephemeral ones included."""
    for volume in pod.spec.get("volumes") or ():
        name = claim_name(pod.name, volume)
        if name:
            yield claims.get(f"{pod.namespace}/{name}"), name


def claim_name(pod: str, volume: Obj) -> str:
    """The claim behind a volume of a pod's spec; "" for other kinds of volume."""
    if volume.get("persistentVolumeClaim"):
        return str(volume["persistentVolumeClaim"]["claimName"])
    return f"{pod}-{volume['name']}" if volume.get("ephemeral") else ""


def is_bound(claim: Obj) -> bool:
    annotations = claim["metadata"].get("annotations") or {}
    return bool((claim.get("spec") or {}).get("volumeName")) and BOUND_COMPLETELY in annotations


def class_name(obj: Obj) -> str:
    """The storage class of a claim or a volume; "" for none."""
    annotations = obj["metadata"].get("annotations") or {}
    found = annotations.get(BETA_CLASS) or (obj.get("spec") or {}).get("storageClassName") or ""
    return str(found)


def reachable(volume: Obj, node: NodeInfo) -> bool:
    """The volume's node affinity lets it be used on that node."""
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or node_fit.selector_matches(required, node.labels, node.name)


def serves(volume: Obj, claim: Obj) -> bool:
    """Class, size, access modes, mode and selector fit, and nobody else has it."""
    has, wants = volume["spec"], claim["spec"]
    holder = has.get("claimRef")
    if holder and not is_for(holder, claim):
        return False
    if volume["metadata"].get("deletionTimestamp") or class_name(volume) != class_name(claim):
        return False
    if (has.get("volumeMode") or "Filesystem") != (wants.get("volumeMode") or "Filesystem"):
        return False
    if not set(wants.get("accessModes") or ()) <= set(has.get("accessModes") or ()):
        return False
    if size(volume) < quantity.value(str((wants.get("resources") or {}).get("requests", {}).get("storage", "0"))):
        return False
    return holder is not None or _selected(volume, claim)


def _selected(volume: Obj, claim: Obj) -> bool:
    selector = claim["spec"].get("selector")
    available = (volume.get("status") or {}).get("phase", "Available") == "Available"
    return available and (not selector or compiled(selector).matches(volume["metadata"].get("labels") or {}))


def is_for(reference: Obj, claim: Obj) -> bool:
    meta = claim["metadata"]
    same = (reference.get("namespace"), reference.get("name")) == (meta["namespace"], meta["name"])
    return same and reference.get("uid") in (None, "", meta.get("uid"))


def size(volume: Obj) -> int:
    """Bytes."""
    return quantity.value(str((volume["spec"].get("capacity") or {}).get("storage", "0")))
