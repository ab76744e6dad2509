"""Which volume a claim gets, and what becomes of a volume. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pocketkube.api.meta import quantity
from pocketkube.api.meta.selectors import from_label_selector

Obj = dict[str, Any]

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
OLD_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_CLASS = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


def notes(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def class_of(obj: Obj) -> str:
    return notes(obj).get(_CLASS) or obj["spec"].get("storageClassName") or ""


def is_bound(claim: Obj) -> bool:
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in notes(claim)


def refers_to(volume: Obj, claim: Obj) -> bool:
    """The volume's claimRef means this claim: by uid, or by name where a person set it in advance."""
    reference = volume["spec"].get("claimRef")
    if not reference:
        return False
    metadata = claim["metadata"]
    named = (reference.get("namespace"), reference.get("name")) == (metadata["namespace"], metadata["name"])
    return named and (not reference.get("uid") or reference["uid"] == metadata["uid"])


def _capacity(volume: Obj) -> Any:
    return quantity.parse(str((volume["spec"].get("capacity") or {}).get("storage", "0")))


def satisfies(volume: Obj, claim: Obj) -> bool:
    """Everything but who else has it: size, modes, class, kind and labels."""
    wanted = claim["spec"]
    asked = quantity.parse(str(((wanted.get("resources") or {}).get("requests") or {}).get("storage", "0")))
    if volume["metadata"].get("deletionTimestamp") or _capacity(volume) < asked:
        return False
    if not set(wanted.get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return False
    if class_of(volume) != class_of(claim):
        return False
    if volume["spec"].get("volumeMode", "Filesystem") != wanted.get("volumeMode", "Filesystem"):
        return False
    selector = wanted.get("selector")
    return selector is None or from_label_selector(selector).matches(volume["metadata"].get("labels") or {})


def choose(claim: Obj, volumes: Iterable[Obj]) -> Obj | None:
    """The volume that is reserved for the claim, else the smallest free one that satisfies it."""
    free: list[Obj] = []
    for volume in volumes:
        if refers_to(volume, claim):
            return volume
        if not volume["spec"].get("claimRef") and satisfies(volume, claim):
            free.append(volume)
    return min(free, key=lambda v: (_capacity(v), v["metadata"]["name"]), default=None)


def bound_volume(volume: Obj, claim: Obj) -> Obj:
    """The volume's half of the bond."""
    reserved = volume["spec"].get("claimRef")
    metadata = claim["metadata"]
    reference = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    if reserved and reserved.get("uid") == metadata["uid"]:
        return volume
    annotations = notes(volume) if reserved else {**notes(volume), BOUND_BY_CONTROLLER: "yes"}
    spec = {**volume["spec"], "claimRef": reference}
    return {**volume, "metadata": {**volume["metadata"], "annotations": annotations}, "spec": spec}


def bound_claim(claim: Obj, volume: Obj) -> Obj:
    """The claim's half: who it is bound to."""
    if claim["spec"].get("volumeName") == volume["metadata"]["name"] and BIND_COMPLETED in notes(claim):
        return claim
    annotations = {**notes(claim), BIND_COMPLETED: "yes"}
    if not claim["spec"].get("volumeName"):
        annotations[BOUND_BY_CONTROLLER] = "yes"
    spec = {**claim["spec"], "volumeName": volume["metadata"]["name"]}
    return {**claim, "metadata": {**claim["metadata"], "annotations": annotations}, "spec": spec}


def claim_status(claim: Obj, volume: Obj | None) -> Obj:
    """Bound with the volume's size and modes, Lost without its volume."""
    old = claim.get("status") or {}
    if volume is None:
        return {"phase": "Lost", **{k: v for k, v in old.items() if k not in ("phase", "capacity", "accessModes")}}
    capacity = {"storage": (volume["spec"].get("capacity") or {}).get("storage", "0")}
    kept = old.get("capacity") if old.get("phase") == "Bound" and old.get("capacity") else capacity
    return {**old, "phase": "Bound", "accessModes": volume["spec"].get("accessModes") or [], "capacity": kept}


def volume_phase(volume: Obj, claim: Obj | None) -> str:
    """`claim` is the one that claimRef names, if it still exists with that uid."""
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        return "Available"
    if claim is None:
        return "Released"
    return "Bound" if claim["spec"].get("volumeName") in ("", None, volume["metadata"]["name"]) else "Released"


def waits_for_pod(claim: Obj, storage_class: Obj | None) -> bool:
    """The class binds only once a pod's node is known, and none is."""
    late = storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
    return late and SELECTED_NODE not in notes(claim)


def with_provisioner(claim: Obj, provisioner: str) -> Obj | None:
    """The claim with the annotations that an external provisioner waits for, None if it has them."""
    wanted = {PROVISIONER: provisioner, OLD_PROVISIONER: provisioner}
    if wanted.items() <= notes(claim).items():
        return None
    return {**claim, "metadata": {**claim["metadata"], "annotations": {**notes(claim), **wanted}}}
