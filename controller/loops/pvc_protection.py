"""PVC protection: a PersistentVolumeClaim that a pod uses keeps its finalizer, so that it outlives the pod."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from controller.context import Context, Controller, Run
from controller.pods import is_terminal
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import PERSISTENTVOLUMECLAIMS, PODS
from pocketkube.client.store import key_of

Obj = dict[str, Any]

FINALIZER = "kubernetes.io/pvc-protection"


def claims_of(pod: Obj) -> set[str]:
    """Names of the claims that the pod mounts; an ephemeral volume's claim is named after pod and volume."""
    names = set()
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            names.add(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            names.add(f"{pod['metadata']['name']}-{volume['name']}")
    return names


def uses(pod: Obj, claim: str) -> bool:
    return not is_terminal(pod) and bool(pod["spec"].get("nodeName")) and claim in claims_of(pod)


def plan(claim: Obj, pods: Iterable[Obj]) -> Literal["add", "remove", ""]:
    """What becomes of the finalizer."""
    protected = FINALIZER in (claim["metadata"].get("finalizers") or ())
    if not claim["metadata"].get("deletionTimestamp"):
        return "" if protected else "add"
    if not protected:
        return ""
    return "" if any(uses(p, claim["metadata"]["name"]) for p in pods) else "remove"


def start(context: Context) -> Run:
    claims, pods = context.informer(PERSISTENTVOLUMECLAIMS), context.informer(PODS)

    async def reconcile(key: str) -> None:
        claim = claims.store.get(key)
        if claim is None:
            return
        namespace = claim["metadata"]["namespace"]
        decided = plan(claim, pods.store.by_index("namespace", namespace))
        if decided == "remove":  # the cache may be late: a pod that was just bound must not lose its volume
            listed = await context.client.list(PODS, namespace)
            decided = plan(claim, listed.get("items") or ())
        finalizers = list(claim["metadata"].get("finalizers") or ())
        if decided == "add":
            finalizers.append(FINALIZER)
        elif decided == "remove":
            finalizers.remove(FINALIZER)
        else:
            return
        try:
            metadata = {**claim["metadata"], "finalizers": finalizers}
            await context.client.update(PERSISTENTVOLUMECLAIMS, {**claim, "metadata": metadata})
        except errors.NotFound:
            return

    work = Reconciler("pvc-protection", reconcile, clock=context.clock, workers=1)

    def pod_changed(pod: Obj) -> None:
        for name in claims_of(pod):
            key = f"{pod['metadata']['namespace']}/{name}"
            claim = claims.store.get(key)
            if claim is not None and claim["metadata"].get("deletionTimestamp"):
                work.add(key)

    claims.add_handler(on_add=lambda new: work.add(key_of(new)), on_update=lambda old, new: work.add(key_of(new)))
    pods.add_handler(on_update=lambda old, new: pod_changed(new), on_delete=pod_changed)
    return work.run((claims, pods))


CONTROLLER = Controller(
    "persistentvolumeclaim-protection-controller", "pvc-protection-controller", start, aliases=("pvc-protection",)
)
