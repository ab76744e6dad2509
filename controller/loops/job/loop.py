"""The job loop's hands: watches jobs and pods, writes the status before it lets counted pods go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from controller.children import ChildWatch
from controller.context import Context, Run
from controller.expectations import Expectations
from controller.loops.job.plan import Plan, Record, finished, plan
from controller.loops.job.pods import FINALIZER, is_tracked
from controller.ownership import claim, selects_own
from controller.pod_control import PodControl, namespace_ending
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of
from pocketkube.api.meta.selectors import Selector, from_label_selector
from pocketkube.base import tasks
from pocketkube.client.resources import JOBS, PODS
from pocketkube.client.store import key_of

Obj = dict[str, Any]

MANAGER = "kubernetes.io/job-controller"


def start(context: Context) -> Run:
    return JobLoop(context).run()


def _selector(job: Obj) -> Selector:
    return from_label_selector(job["spec"].get("selector"))


class JobLoop:
    def __init__(self, context: Context):
        self._context = context
        self._jobs, self._pods = context.informer(JOBS), context.informer(PODS)
        self._expected = Expectations(context.clock)
        self._released: dict[str, set[str]] = {}  # key -> uids whose finalizer we removed, not yet seen
        self._records: dict[str, Record] = {}
        self._written: dict[str, Obj] = {}  # key -> the job as our last status write left it
        self._control = PodControl(context, JOBS)
        workers = context.options.concurrent_job_syncs
        self._work = Reconciler("job", self._reconcile, clock=context.clock, workers=workers)
        self._orphans = Reconciler("job-orphans", self._free_orphan, clock=context.clock, workers=2)
        self._jobs.add_handler(
            on_add=lambda new: self._work.add(key_of(new)),
            on_update=lambda old, new: self._work.add(key_of(new)),
            on_delete=self._job_deleted,
        )
        self._children = ChildWatch(
            self._jobs,
            JOBS,
            self._pods,
            enqueue=self._work.add,
            selector=_selector,
            created=self._expected.creation_observed,
            deleted=lambda key, pod: self._expected.deletion_observed(key, pod["metadata"]["uid"]),
        )
        self._pods.add_handler(
            on_add=self._pod_seen, on_update=lambda old, new: self._pod_seen(new), on_delete=self._pod_gone
        )

    async def run(self) -> None:
        caches = (self._jobs, self._pods)
        await tasks.run_tasks({"jobs": self._work.run(caches), "orphans": self._orphans.run(caches)})

    def _job_deleted(self, job: Obj) -> None:
        key = key_of(job)
        self._expected.forget(key)
        self._released.pop(key, None)
        self._records.pop(key, None)
        self._written.pop(key, None)
        for pod in self._pods.store.by_index("controller", job["metadata"]["uid"]):
            self._orphans.add(key_of(pod))

    def _pod_seen(self, pod: Obj) -> None:
        """A pod without our finalizer is done with; one with it but without a living job (perhaps orphaned) is let go."""
        if not is_tracked(pod):
            self._pod_gone(pod)
        elif self._children.owner_of(pod) is None:
            self._orphans.add(key_of(pod))

    def _pod_gone(self, pod: Obj) -> None:
        owner = self._children.owner_of(pod)
        if owner is not None:
            self._released.get(key_of(owner), set()).discard(pod["metadata"]["uid"])

    async def _free_orphan(self, key: str) -> None:
        """A pod whose job is gone keeps nobody's count: without its finalizer it can be deleted."""
        pod = self._pods.store.get(key)
        if pod is None or not is_tracked(pod) or self._children.owner_of(pod) is not None:
            return
        reference = controller_of(pod)
        if reference is not None and reference["kind"] == "Job":
            try:
                job = await self._context.client.get(JOBS, reference["name"], pod["metadata"]["namespace"])
            except errors.NotFound:
                job = None
            if job is not None and job["metadata"]["uid"] == reference["uid"]:
                return
        await self._remove_finalizer(pod)

    async def _reconcile(self, key: str) -> float | None:
        job = self._newest(key)
        if job is None or job["spec"].get("managedBy", MANAGER) != MANAGER:
            return None
        if not selects_own(_selector(job), job["spec"]["template"]):
            return None
        owned = await claim(
            self._context,
            self._pods,
            PODS,
            owner=job,
            owner_resource=JOBS,
            selector=_selector(job),
            finalizer="" if finished(job) else FINALIZER,
        )
        released = self._released.setdefault(key, set())
        if finished(job):
            await self._release(key, [p for p in owned if is_tracked(p) and p["metadata"]["uid"] not in released])
            self._records.pop(key, None)
            return None
        decided = plan(
            job,
            owned,
            released=released,
            record=self._records.setdefault(key, Record()),
            now=self._context.clock.now(),
            fresh=self._expected.satisfied(key),
        )
        await self._act(key, job, decided)
        return decided.again

    def _newest(self, key: str) -> Obj | None:
        """The job, not older than our last write: a pod's event may overtake the job's, and a count that the cache does
        not show yet would be made up for by another pod."""
        cached, written = self._jobs.store.get(key), self._written.get(key)
        if cached is None or written is None or cached["metadata"]["uid"] != written["metadata"]["uid"]:
            return cached
        versions = [int(o["metadata"]["resourceVersion"]) for o in (cached, written)]
        return written if versions[0] < versions[1] else cached

    async def _act(self, key: str, job: Obj, decided: Plan) -> None:
        failure = await self._delete(key, job, decided.delete) or await self._create(key, job, decided.create)
        if decided.status != (job.get("status") or {}):
            try:
                self._written[key] = await self._context.client.update_status(JOBS, {**job, "status": decided.status})
            except errors.NotFound:
                return
            for type, reason, message in decided.events:
                self._context.event(JOBS, job, type, reason, message)
        await self._release(key, decided.release)
        if failure is not None and not namespace_ending(failure):
            raise failure

    async def _create(self, key: str, job: Obj, pods: list[Obj]) -> Exception | None:
        if not pods:
            return None
        self._expected.expect_creations(key, len(pods))
        _, failure = await self._control.create_many(
            job, pods, on_failure=lambda n: self._expected.creation_observed(key, n)
        )
        return failure

    async def _delete(self, key: str, job: Obj, pods: list[Obj]) -> Exception | None:
        if not pods:
            return None
        self._expected.expect_deletions(key, [p["metadata"]["uid"] for p in pods])
        return await self._control.delete_many(
            job, pods, on_failure=lambda p: self._expected.deletion_observed(key, p["metadata"]["uid"])
        )

    async def _release(self, key: str, pods: Iterable[Obj]) -> None:
        """After this, and only after the status was written, the pods may go."""
        pods = list(pods)
        self._released.setdefault(key, set()).update(p["metadata"]["uid"] for p in pods)
        results = await asyncio.gather(*(self._remove_finalizer(p) for p in pods), return_exceptions=True)
        for pod, result in zip(pods, results, strict=True):
            if isinstance(result, Exception):
                self._released[key].discard(pod["metadata"]["uid"])
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _remove_finalizer(self, pod: Obj) -> None:
        metadata = pod["metadata"]
        patch = {"metadata": {"uid": metadata["uid"], "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        namespace = metadata["namespace"]
        try:
            await self._context.client.patch(PODS, metadata["name"], patch, namespace=namespace, type="strategic")
        except errors.NotFound:
            return
        except errors.Conflict:  # another pod of that name: ours is gone
            return
