"""PV protection: a PersistentVolume that is bound keeps its finalizer, so that it outlives its claim."""

from __future__ import annotations

from typing import Any

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import PERSISTENTVOLUMES
from pocketkube.client.store import key_of

Obj = dict[str, Any]

FINALIZER = "kubernetes.io/pv-protection"


def plan(volume: Obj) -> list[str] | None:
    """The finalizers to write, None to leave them."""
    finalizers = list(volume["metadata"].get("finalizers") or ())
    protected = FINALIZER in finalizers
    if not volume["metadata"].get("deletionTimestamp"):
        return None if protected else [*finalizers, FINALIZER]
    bound = (volume.get("status") or {}).get("phase") == "Bound"
    return [f for f in finalizers if f != FINALIZER] if protected and not bound else None


def start(context: Context) -> Run:
    volumes = context.informer(PERSISTENTVOLUMES)

    async def reconcile(key: str) -> None:
        volume = volumes.store.get(key)
        finalizers = plan(volume) if volume is not None else None
        if volume is None or finalizers is None:
            return
        try:
            metadata = {**volume["metadata"], "finalizers": finalizers}
            await context.client.update(PERSISTENTVOLUMES, {**volume, "metadata": metadata})
        except errors.NotFound:
            return

    work = Reconciler("pv-protection", reconcile, clock=context.clock, workers=1)
    volumes.add_handler(on_add=lambda new: work.add(key_of(new)), on_update=lambda old, new: work.add(key_of(new)))
    return work.run((volumes,))


CONTROLLER = Controller(
    "persistentvolume-protection-controller", "pv-protection-controller", start, aliases=("pv-protection",)
)
