"""TTL after finished: deletes a Job ttlSecondsAfterFinished after its end, with its pods."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors, times
from pocketkube.client.resources import JOBS
from pocketkube.client.store import key_of

Obj = dict[str, Any]


def expires_in(job: Obj, now: datetime) -> float | None:
    """Seconds until the job may go, 0 or less for now, None if it is not finished or has no TTL."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or job["metadata"].get("deletionTimestamp"):
        return None
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            ended = times.parse(condition["lastTransitionTime"])
            return float(ttl - (now - ended).total_seconds())
    return None


def start(context: Context) -> Run:
    jobs = context.informer(JOBS)

    async def reconcile(key: str) -> float | None:
        job = jobs.store.get(key)
        left = expires_in(job, context.clock.now()) if job is not None else None
        if job is None or left is None or left > 0:
            return left
        namespace, name = key.split("/")
        try:
            live = await context.client.get(JOBS, name, namespace)  # the TTL may have been raised a moment ago
            left = expires_in(live, context.clock.now())
            if left is not None and left <= 0:
                metadata = live["metadata"]
                version = metadata["resourceVersion"]
                await context.client.delete(
                    JOBS, name, namespace, propagation="Foreground", uid=metadata["uid"], resource_version=version
                )
                return None
        except errors.NotFound:
            return None
        return left

    def changed(job: Obj) -> None:
        if expires_in(job, context.clock.now()) is not None:
            work.add(key_of(job))

    workers = context.options.concurrent_ttl_after_finished_syncs
    work = Reconciler("ttl-after-finished", reconcile, clock=context.clock, workers=workers)
    jobs.add_handler(on_add=changed, on_update=lambda old, new: changed(new))
    return work.run((jobs,))


CONTROLLER = Controller(
    "ttl-after-finished-controller", "ttl-after-finished-controller", start, aliases=("ttl-after-finished",)
)
