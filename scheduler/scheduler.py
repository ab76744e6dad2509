"""The scheduler: takes the next pod, finds its node, assumes it there, and has it bound while it takes the next.

Deciding is synchronous and alone on the loop: between two awaits the snapshot does not move. What talks to the API
server (binding, preemption, conditions) runs in tasks beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import httpx

from pocketkube.api.meta import errors, objects, times
from pocketkube.base import tasks
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.events import NORMAL, WARNING, EventRecorder
from pocketkube.client.resources import PODS
from pocketkube.client.rest import Client
from scheduler import messages, metrics
from scheduler.framework import Event, Refusal
from scheduler.node_verdicts import NodeVerdicts
from scheduler.pod_info import PodInfo
from scheduler.profile import Profile
from scheduler.ranking import Ranking, Recent
from scheduler.scheduling_queue import SchedulingQueue, Waiting
from scheduler.snapshot import Snapshot

log = logging.getLogger(__name__)

Obj = dict[str, Any]

MOST_BINDING = 200  # pods decided about and not yet bound; beyond it deciding waits
MOST_REPORTING = 16  # failures told to the API server at once
SLICE_SECONDS = 0.005  # for so long deciding may keep the loop

LEAST_NODES, LEAST_PERCENT = 100, 5


class Scheduler:
    """Feed `snapshot` and `queue` (see feed.py), then run()."""

    def __init__(
        self,
        client: Client,
        snapshot: Snapshot,
        profiles: Mapping[str, Profile],
        recorder: EventRecorder,
        *,
        percent_of_nodes: int = 0,
        initial_backoff: float = 1.0,
        max_backoff: float = 10.0,
        clock: Clock | None = None,
    ):
        """`percent_of_nodes`: how many fitting nodes are enough to choose from; 0 goes by the size of the cluster."""
        self._client, self.snapshot, self._profiles, self._recorder = client, snapshot, profiles, recorder
        self._percent = percent_of_nodes
        self._clock = clock or SystemClock()
        self.queue = SchedulingQueue(
            self._clock,
            sort_key=self._sort_key,
            gate=self._gate,
            may_help=self._may_help,
            initial_backoff=initial_backoff,
            max_backoff=max_backoff,
        )
        self._verdicts: Recent[NodeVerdicts] = Recent(snapshot)
        self._rankings: Recent[Ranking] = Recent(snapshot)
        self._next_start = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reports = asyncio.Semaphore(MOST_REPORTING)

    def responsible_for(self, pod: Obj) -> bool:
        return pod["spec"].get("schedulerName", "default-scheduler") in self._profiles

    async def run(self) -> None:
        """Schedules until cancelled; what is being bound then is given up and its place freed."""
        try:
            while True:
                await self._round()
                await self.queue.wait()
        finally:
            await tasks.cancel(*self._tasks)

    async def _round(self) -> None:
        """Decides until nothing is left to try, with pauses for everyone else on the loop."""
        until = self._clock.monotonic() + SLICE_SECONDS
        while (waiting := self.queue.pop()) is not None:
            self._decide(waiting)
            while len(self._tasks) >= MOST_BINDING:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._clock.monotonic() > until:
                await asyncio.sleep(0)
                until = self._clock.monotonic() + SLICE_SECONDS

    # --- deciding

    def _decide(self, waiting: Waiting) -> None:
        pod, profile = waiting.pod, self._profile(waiting.pod)
        if pod.deleting or self.snapshot.node_of(pod.uid):
            self.queue.remove(pod.uid)
            return
        started = self._clock.monotonic()
        try:
            node = self._find(pod, profile)
        except Exception as e:
            log.exception("scheduling failed: pod=%s", pod.key)
            self._start(self._report_error(waiting, e))
            metrics.attempted("error", profile.scheduler_name, self._clock.monotonic() - started)
            return
        if isinstance(node, str):
            self._place(waiting, profile, node)
            metrics.attempted("scheduled", profile.scheduler_name, self._clock.monotonic() - started)
        else:
            self._start(self._report_misfit(waiting, profile, *node))
            metrics.attempted("unschedulable", profile.scheduler_name, self._clock.monotonic() - started)

    def _find(self, pod: PodInfo, profile: Profile) -> str | tuple[Ranking | None, dict[str, Refusal] | Refusal]:
        """The node to take, or why there is none: a refusal a node, or one for all."""
        ranking = self._ranking(pod, profile)
        if isinstance(ranking, Refusal):
            return None, ranking
        if (
            pod.nominated_node
            and ranking.fits(pod.nominated_node)
            and self._leaves_room(pod, pod.nominated_node, ranking)
        ):
            return pod.nominated_node
        excluded: dict[str, Refusal] = {}
        while (name := ranking.best(excluded)) is not None:
            refusal = self._refusal_beside_nominated(pod, name, ranking)
            if refusal is None:
                return name
            excluded[name] = refusal
        return ranking, {**ranking.refusals(), **excluded}

    def _ranking(self, pod: PodInfo, profile: Profile) -> Ranking | Refusal:
        """The ranking of the pod's class, made if it is the first; or the refusal of a plugin that needs no node."""

        def verdicts() -> NodeVerdicts:
            return NodeVerdicts(self.snapshot, _unless_refused(profile.judges(pod)))

        def ranking() -> Ranking:
            judged = self._verdicts.of(about_nodes, verdicts)
            facets = _unless_refused(profile.facets(pod))
            self._next_start += self._enough(len(self.snapshot.nodes))
            return Ranking(self.snapshot, judged, facets, enough=self._enough, start=self._next_start)

        about_nodes = (profile.scheduler_name, profile.node_signature(pod))
        try:
            return self._rankings.of((about_nodes, profile.signature(pod)), ranking)
        except _Refused as e:
            return e.refusal

    def _enough(self, nodes: int) -> int:
        """Upstream's adaptive share: half of a small cluster, a twentieth of a huge one, never fewer than 100 nodes."""
        percent = self._percent or max(LEAST_PERCENT, 50 - nodes // 125)
        return nodes if percent >= 100 else max(LEAST_NODES, nodes * percent // 100)

    def _leaves_room(self, pod: PodInfo, node: str, ranking: Ranking) -> bool:
        return self._refusal_beside_nominated(pod, node, ranking) is None

    def _refusal_beside_nominated(self, pod: PodInfo, name: str, ranking: Ranking) -> Refusal | None:
        """Would the pod fit if those for which room is made there, and which do not yield to it, were there already?"""
        held = self.snapshot.nominated.get(name)
        others = [p for p in held.values() if p.uid != pod.uid and p.priority >= pod.priority] if held else ()
        if not others:
            return None
        trial = self.snapshot.nodes[name].copy()
        for other in others:
            trial.add(other)
        return ranking.check(trial)

    # --- placing

    def _place(self, waiting: Waiting, profile: Profile, node: str) -> None:
        pod = waiting.pod
        self.queue.decided(waiting)
        self.snapshot.assume(pod, node)
        self.snapshot.nominate(pod, "")
        for i, plugin in enumerate(profile.reserves):
            if (why := plugin.reserve(pod, node)) is not None:
                for undone in profile.reserves[: i + 1]:
                    undone.unreserve(pod, node)
                self.snapshot.forget(pod.uid)
                self._start(self._report_error(waiting, RuntimeError(why)))
                return
        self._start(self._bind(waiting, profile, node))

    async def _bind(self, waiting: Waiting, profile: Profile, node: str) -> None:
        pod = waiting.pod
        try:
            for permit in profile.permits:
                _accept(await permit.permit(pod, node))
            for pre_bind in profile.pre_binds:
                _accept(await pre_bind.pre_bind(pod, node))
            for bind in profile.binds[:1]:
                await bind.bind(pod, node)
        except BaseException as e:
            for plugin in profile.reserves:
                plugin.unreserve(pod, node)
            self.snapshot.forget(pod.uid)
            if not isinstance(e, errors.StatusError | httpx.HTTPError | OSError | _Rejected):
                self.queue.failed_by_error(waiting)
                raise
            await self._report_error(waiting, e)
            return
        self.queue.scheduled(pod.uid)
        metrics.SCHEDULED_AFTER.observe(self._clock.monotonic() - waiting.added_at)
        self._recorder.event(
            pod.pod, NORMAL, "Scheduled", f"Successfully assigned {pod.key} to {node}", action="Binding"
        )

    # --- failing

    async def _report_misfit(
        self,
        waiting: Waiting,
        profile: Profile,
        ranking: Ranking | None,
        refusals: dict[str, Refusal] | Refusal,
    ) -> None:
        pod, total, nominated = waiting.pod, len(self.snapshot.nodes), ""
        if isinstance(refusals, Refusal):
            refused_by, message = {refusals.plugin}, messages.refused(total, refusals)
        elif not total:
            refused_by, message = {*profile.plugins}, messages.NO_NODES
        else:
            refused_by = {r.plugin for r in refusals.values()} | ({*profile.plugins} if not refusals else set())
            message = messages.summary(total, refusals.values())
        if ranking is not None and isinstance(refusals, dict):
            for plugin in profile.post_filters:
                nominated, more = await plugin.post_filter(pod, refusals, ranking.check)
                message = f"{message} {more}" if more else message
                if nominated:
                    break
        self.snapshot.nominate(pod, nominated)
        await self._tell(waiting, "Unschedulable", message, nominated)
        self.queue.failed(waiting, refused_by)

    async def _report_error(self, waiting: Waiting, error: BaseException) -> None:
        """Not a matter of room: the try is repeated after a while. A pod that is gone or bound needs no more."""
        log.log(
            logging.DEBUG if isinstance(error, errors.NotFound | errors.Conflict) else logging.WARNING,
            "not scheduled: pod=%s: %s",
            waiting.pod.key,
            str(error) or repr(error),
        )
        self.queue.failed_by_error(waiting)
        if not isinstance(error, errors.NotFound | errors.Conflict):
            await self._tell(waiting, "SchedulerError", str(error) or repr(error), waiting.pod.nominated_node)

    async def _tell(self, waiting: Waiting, reason: str, message: str, nominated: str) -> None:
        """The event, and the pod's condition if it says something new. A server that does not listen is told next time."""
        pod = waiting.pod
        self._recorder.event(pod.pod, WARNING, "FailedScheduling", message, action="Scheduling")
        if waiting.told == message and nominated == pod.nominated_node:
            return
        status: Obj = {"conditions": [_condition(pod.pod, reason, message)]}
        if nominated != pod.nominated_node:
            status["nominatedNodeName"] = nominated or None
        try:
            async with self._reports:
                await self._client.patch(
                    PODS, pod.name, {"status": status}, namespace=pod.namespace, type="strategic", subresource="status"
                )
            waiting.told = message
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            log.debug("condition not written: pod=%s: %s", pod.key, e)

    def _start(self, work: Any) -> None:
        task = tasks.spawn("scheduling", work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the queue asks

    def _profile(self, pod: PodInfo) -> Profile:
        return self._profiles[pod.spec.get("schedulerName", "default-scheduler")]

    def _sort_key(self, pod: PodInfo, added_at: float) -> Any:
        plugin = self._profile(pod).sort
        return plugin.sort_key(pod, added_at) if plugin is not None else added_at

    def _gate(self, pod: PodInfo) -> str | None:
        found = (plugin.pre_enqueue(pod) for plugin in self._profile(pod).pre_enqueue)
        return next((why for why in found if why is not None), None)

    def _may_help(self, pod: PodInfo, refused_by: Iterable[str], event: Event) -> bool:
        profile = self._profile(pod)
        for name in refused_by:
            plugin = profile.plugins.get(name)
            if plugin is not None and event.kind in plugin.wakes:
                hint = profile.requeues.get(name)
                if hint is None or hint.may_help(pod, event):
                    return True
        return False


class _Refused(Exception):
    """The pod's class has no ranking: no node is asked."""

    def __init__(self, refusal: Refusal):
        super().__init__(refusal.reasons)
        self.refusal = refusal


Made = TypeVar("Made")


def _unless_refused(made: Made | Refusal) -> Made:
    if isinstance(made, Refusal):
        raise _Refused(made)
    return made


class _Rejected(Exception):
    """A plugin says no after a node was found."""


def _accept(why: str | None) -> None:
    if why is not None:
        raise _Rejected(why)


def _condition(pod: Obj, reason: str, message: str) -> Obj:
    """PodScheduled=False; the time stays while the status does."""
    held = objects.condition(pod, "PodScheduled") or {}
    since = held.get("lastTransitionTime") if held.get("status") == "False" else None
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": since or times.now_rfc3339(),
    }
