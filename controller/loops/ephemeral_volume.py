"""Ephemeral volumes: makes the PersistentVolumeClaim of each pod's ephemeral volume, owned by the pod."""

from __future__ import annotations

from typing import Any

from controller.context import Context, Controller, Run
from controller.ownership import controller_reference
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of
from pocketkube.client.resources import PERSISTENTVOLUMECLAIMS, PODS
from pocketkube.client.store import key_of

Obj = dict[str, Any]


def claims_for(pod: Obj) -> list[Obj]:
    """The claims that the pod's ephemeral volumes need."""
    made = []
    for volume in pod["spec"].get("volumes") or ():
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if template is None:
            continue
        wanted = template.get("metadata") or {}
        metadata: Obj = {
            "name": f"{pod['metadata']['name']}-{volume['name']}",
            "namespace": pod["metadata"]["namespace"],
            "ownerReferences": [controller_reference(pod, PODS)],
            **{k: dict(wanted[k]) for k in ("labels", "annotations") if wanted.get(k)},
        }
        made.append(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        )
    return made


def start(context: Context) -> Run:
    pods, claims = context.informer(PODS), context.informer(PERSISTENTVOLUMECLAIMS)

    async def reconcile(key: str) -> None:
        pod = pods.store.get(key)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        for wanted in claims_for(pod):
            existing = claims.store.get(key_of(wanted))
            if existing is None:
                await create(wanted)
                continue
            owner = controller_of(existing)
            if owner is None or owner["uid"] != pod["metadata"]["uid"]:
                named = key_of(wanted)
                text = f"PVC {named} was not created for pod {key} (pod is not owner)"
                context.event(PODS, pod, "Warning", "EphemeralVolumeCreationFailed", text)

    async def create(wanted: Obj) -> None:
        try:
            await context.client.create(PERSISTENTVOLUMECLAIMS, wanted, wanted["metadata"]["namespace"])
        except errors.AlreadyExists:
            return

    work = Reconciler("ephemeral-volume", reconcile, clock=context.clock, workers=5)

    def pod_added(pod: Obj) -> None:
        if any("ephemeral" in v for v in pod["spec"].get("volumes") or ()):
            work.add(key_of(pod))

    def claim_deleted(claim: Obj) -> None:
        owner = controller_of(claim)
        if owner is not None and owner["kind"] == "Pod":
            work.add(f"{claim['metadata']['namespace']}/{owner['name']}")

    pods.add_handler(on_add=pod_added)
    claims.add_handler(on_delete=claim_deleted)
    return work.run((pods, claims))


CONTROLLER = Controller(
    "ephemeral-volume-controller", "ephemeral-volume-controller", start, aliases=("ephemeral-volume",)
)
