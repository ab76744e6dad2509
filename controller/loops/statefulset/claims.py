"""When a StatefulSet's volume claims go: with the set, with a pod that is scaled away, or never. Pure."""

from __future__ import annotations

from typing import Any

from pocketkube.client.resources import PODS, STATEFULSETS, Resource

Obj = dict[str, Any]


def policy(stateful_set: Obj) -> tuple[bool, bool]:
    """(deleted with the set, deleted when scaled down)."""
    wanted = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return wanted.get("whenDeleted") == "Delete", wanted.get("whenScaled") == "Delete"


def _reference(owner: Obj, resource: Resource) -> Obj:
    metadata = owner["metadata"]
    return {"apiVersion": resource.api_version, "kind": resource.kind, "name": metadata["name"], "uid": metadata["uid"]}


def owners(stateful_set: Obj, claim: Obj, pod: Obj | None, *, condemned: bool) -> list[Obj] | None:
    """The claim's owner references as the policy wants them, None if they are so already.

    `condemned`: the pod is beyond the set's replicas; then, under whenScaled Delete, the claim goes with the pod."""
    with_set, when_scaled = policy(stateful_set)
    listed = claim["metadata"].get("ownerReferences") or []
    ours = {stateful_set["metadata"]["uid"], *([pod["metadata"]["uid"]] if pod is not None else [])}
    kept = [
        r for r in listed
        if r["uid"] not in ours and not (r["kind"] in ("Pod", "StatefulSet") and r["name"] in _names(stateful_set, pod))
    ]  # fmt: skip
    if condemned and when_scaled and pod is not None:
        kept.append(_reference(pod, PODS))
    elif with_set:
        kept.append(_reference(stateful_set, STATEFULSETS))
    compared = [{k: r[k] for k in ("apiVersion", "kind", "name", "uid")} for r in listed]
    return None if compared == [{k: r[k] for k in ("apiVersion", "kind", "name", "uid")} for r in kept] else kept


def _names(stateful_set: Obj, pod: Obj | None) -> set[str]:
    return {stateful_set["metadata"]["name"], *([pod["metadata"]["name"]] if pod is not None else [])}
