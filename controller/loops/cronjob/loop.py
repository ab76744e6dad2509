"""The cron job loop's hands."""

from __future__ import annotations

from typing import Any

from controller.children import ChildWatch
from controller.context import Context, Run
from controller.loops.cronjob.plan import Plan, plan, reference_to
from controller.pod_control import namespace_ending
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of
from pocketkube.client.resources import CRONJOBS, JOBS
from pocketkube.client.store import key_of

Obj = dict[str, Any]


def start(context: Context) -> Run:
    return CronJobLoop(context).run()


class CronJobLoop:
    def __init__(self, context: Context):
        self._context = context
        self._cron_jobs, self._jobs = context.informer(CRONJOBS), context.informer(JOBS)
        workers = context.options.concurrent_cron_job_syncs
        self._work = Reconciler("cronjob", self._reconcile, clock=context.clock, workers=workers)
        self._cron_jobs.add_handler(
            on_add=lambda new: self._work.add(key_of(new)), on_update=lambda old, new: self._work.add(key_of(new))
        )
        ChildWatch(self._cron_jobs, CRONJOBS, self._jobs, enqueue=self._work.add)

    def run(self) -> Run:
        return self._work.run((self._cron_jobs, self._jobs))

    async def _reconcile(self, key: str) -> float | None:
        cron_job = self._cron_jobs.store.get(key)
        if cron_job is None:
            return None
        jobs = self._jobs.store.by_index("controller", cron_job["metadata"]["uid"])
        decided = plan(cron_job, jobs, self._context.clock.now())
        for type, reason, message in decided.events:
            self._context.event(CRONJOBS, cron_job, type, reason, message)
        await self._act(cron_job, decided)
        return decided.again

    async def _act(self, cron_job: Obj, decided: Plan) -> None:
        for job in [*decided.prune, *decided.replace]:
            await self._delete(cron_job, job)
        status = decided.status
        if decided.create is not None:
            created = await self._create(cron_job, decided.create)
            if created is None:
                return
            status = {**status, "active": [*(status.get("active") or ()), reference_to(created)]}
        if status != (cron_job.get("status") or {}):
            try:
                await self._context.client.update_status(CRONJOBS, {**cron_job, "status": status})
            except errors.NotFound:
                return

    async def _create(self, cron_job: Obj, job: Obj) -> Obj | None:
        namespace = job["metadata"]["namespace"]
        try:
            created = await self._context.client.create(JOBS, job, namespace)
        except errors.AlreadyExists:  # made before our cache or the status showed it
            live = await self._context.client.get(JOBS, job["metadata"]["name"], namespace)
            owner = controller_of(live)
            return live if owner is not None and owner["uid"] == cron_job["metadata"]["uid"] else None
        except errors.StatusError as error:
            if namespace_ending(error):
                return None
            self._context.event(CRONJOBS, cron_job, "Warning", "FailedCreate", f"Error creating job: {error}")
            raise
        text = f"Created job {created['metadata']['name']}"
        self._context.event(CRONJOBS, cron_job, "Normal", "SuccessfulCreate", text)
        return created

    async def _delete(self, cron_job: Obj, job: Obj) -> None:
        metadata = job["metadata"]
        try:
            await self._context.client.delete(
                JOBS, metadata["name"], metadata["namespace"], uid=metadata["uid"], propagation="Background"
            )
        except errors.NotFound:
            return
        text = f"Deleted job {metadata['name']}"
        self._context.event(CRONJOBS, cron_job, "Normal", "SuccessfulDelete", text)
