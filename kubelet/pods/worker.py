"""One pod, one task, everything in order: from the first sight of the pod to its last trace.

    syncing      plan what must be done, do it, show the status; again whenever the pod, a container, a probe or a timer calls
    terminating  the pod is being deleted, or was evicted or refused, or has run to its end: its containers end within their grace
    terminated   status written, sandbox and volumes gone; a deleted pod leaves the API and its containers are removed

Never two steps at once for one pod. Waiting that may be long (a pull, a hook, a grace period) is cut short by a deletion.
Killed at any moment, the next kubelet process finds the same pod in the API and the same containers in the engine, makes a worker
with them and goes on: what runs is left alone, what was created and not started is made again under the same attempt number.

Example: container `a` exits 1. The engine's event wakes the worker; it reads the termination message; the plan says start `a` as
attempt 1; the status shows the exit until `a` runs again, with restartCount 1. It exits again: the plan waits 10 s, the status shows
CrashLoopBackOff, a timer wakes the worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from kubelet.pods import ending, spec
from kubelet.pods.crashes import CrashLoops
from kubelet.pods.host import Host
from kubelet.pods.hosted import HostedPod
from kubelet.pods.interruption import Interrupted, Interruption
from kubelet.pods.plan import Observed, Plan, Start, plan
from kubelet.pods.probing import PodProbes
from kubelet.pods.report import Report
from kubelet.pods.resizing import resize
from kubelet.pods.starting import Starter, Unready
from kubelet.runtime.interface import EngineDown, PodRecords, RuntimeFailure, SandboxRecord
from kubelet.volumes.interface import VolumeFailure
from kubelet.volumes.pod_volumes import PodVolumes
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.base.backoff import Backoff

log = logging.getLogger(__name__)

Obj = dict[str, Any]

ENGINE_RETRY = 5.0  # seconds; the engine's return wakes every worker anyway
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodWorker:
    """`finished(uid)` is called once nothing of a deleted pod is left."""

    def __init__(self, host: Host, pod: Obj, *, finished: Callable[[str], None]) -> None:
        self._host = host
        self._pod = HostedPod(host, pod)
        self._finished = finished
        self._volumes = PodVolumes(self._pod.paths, token=host.token, lookup=host.objects.lookup)
        self._starter = Starter(host, self._pod.paths, self._volumes)
        self._probes = PodProbes(self._pod, changed=self.wake)
        self._crashes = CrashLoops(self._pod, self._starter.waiting)
        self._report = Report(self._pod, self._probes, self._starter.waiting)
        self._wake = asyncio.Event()
        self._wake.set()
        self._timer: asyncio.Task[None] | None = None
        self._retries = Backoff(1.0, 60.0)
        self._interruption = Interruption()
        self._deleting = False
        self._gone = False  # nothing of it is left
        self._ended = False  # torn down; the pod object may stay in the API for as long as it likes
        self._rejected: tuple[str, str] | None = None
        self._refresh_volumes = bool(pod["spec"].get("volumes"))  # an adopted pod's volumes are found again
        self._busy = False

    # what others call

    @property
    def pod(self) -> Obj:
        return self._pod.obj

    @property
    def uid(self) -> str:
        return self._pod.uid

    @property
    def status(self) -> Obj:
        return self._pod.status

    @property
    def records(self) -> PodRecords:
        return self._pod.records

    @property
    def terminating(self) -> bool:
        return self._deleting

    @property
    def over(self) -> bool:
        """It holds no resources of the node any more."""
        ended = self._rejected is not None or self._pod.is_terminal()
        return self._ended or (ended and not self.records.running())

    def update(self, pod: Obj) -> None:
        """A newer version of the pod."""
        before, self._pod.obj = self.pod, pod
        if not _differs(before, pod, self.status):
            return  # only what we wrote ourselves
        if pod["metadata"].get("deletionTimestamp"):
            self.terminate(spec.grace_seconds(pod))
        self.wake()

    def terminate(self, grace: float) -> None:
        """Delete the pod within `grace` seconds from now; a later, shorter one counts too."""
        self._deleting = True
        self._pod.deadline.bring_forward(self._host.clock.monotonic() + max(grace, 1.0))
        self._interruption.come()
        self.wake()

    def reject(self, reason: str, message: str, *, grace: float | None = None) -> None:
        """Fail the pod: refused at admission, or evicted."""
        if self._rejected is None and not self._pod.is_terminal():
            self._rejected = reason, message
            if grace is not None:
                self._pod.deadline.bring_forward(self._host.clock.monotonic() + grace)
            self._interruption.come()
            self.wake()

    def objects_changed(self) -> None:
        self._refresh_volumes = True
        self.wake()

    def wake(self) -> None:
        """Something about the pod may have changed. If a step is under way the status at least is brought up to date."""
        if self._busy and not self._wake.is_set():
            tasks.spawn(f"status of pod {self.uid}", self._show_meanwhile())
        self._wake.set()

    def show(self) -> None:
        """Bring the status up to date."""
        if not self._gone:
            self._report.show(rejected=self._rejected, deleting=self._deleting)

    async def _show_meanwhile(self) -> None:
        try:
            await self._report.read_messages()
        except RuntimeFailure as e:
            log.debug("termination message of pod %s not read: %s", self.uid, e)
        if not self._ended:
            self.show()

    # the loop

    async def run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._busy = True
                try:
                    if await self._step():
                        return
                finally:
                    self._busy = False
        finally:
            await self._probes.stop()
            if self._timer is not None:
                self._timer.cancel()

    async def _step(self) -> bool:
        """True when nothing is left to do, ever."""
        try:
            await self._report.read_messages()
            if self._deleting:
                await self._delete()
                return True
            await self._sync()
            self._retries.reset()
        except Interrupted:
            self._wake.set()
        except Unready as e:
            self._wake_after(e.retry)
        except EngineDown as e:
            log.debug("pod %s waits for the engine: %s", self.uid, e)
            self._wake_after(ENGINE_RETRY)
        except (RuntimeFailure, errors.StatusError, httpx.HTTPError, OSError) as e:
            wait = self._retries.next()
            log.warning("pod %s: %s; again in %.0f s", spec.full_name(self.pod), e, wait)
            self._wake_after(wait)
        except Exception:
            log.exception("pod %s: a step failed", spec.full_name(self.pod))
            self._wake_after(self._retries.next())
        if not self._deleting:
            self.show()
        return False

    def _wake_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()

        async def ring() -> None:
            await self._host.clock.sleep(seconds)
            self.wake()

        self._timer = tasks.spawn(f"timer of pod {self.uid}", ring())

    # syncing

    async def _sync(self) -> None:
        if self._ended:
            return
        self._check_deadline()
        if self._rejected is not None or self._pod.is_terminal():
            await self._end()
            return
        if self._refresh_volumes and self.records.running():
            await self._update_volumes()
        for kill in await resize(self._pod):
            await ending.kill(self._pod, kill)
            self._wake.set()
        self._probes.follow()
        made = self._plan()
        self._crashes.follow(made)
        await self._apply(made)
        self._probes.follow()
        self.show()
        if self._pod.is_terminal():
            await self._end()
        self._arm(made)

    def _plan(self, *, coming: SandboxRecord | None = None) -> Plan:
        """`coming` is created and about to run: it is planned as if it did."""
        observed = Observed(
            coming=coming,
            failed=self._probes.failed(),
            started=self._probes.is_started,
            backoff=self._crashes.seconds_left,
            restarts=self._report.restarts,
        )
        return plan(self.pod, self.records, observed)

    async def _apply(self, made: Plan) -> None:
        if made.kill_pod:
            await ending.kill_pod(self._pod, grace=spec.grace_seconds(self.pod))
        if made.kill:
            await asyncio.gather(*(ending.kill(self._pod, k) for k in made.kill))
            self._wake.set()
        if made.new_sandbox is not None:
            await self._create(made.new_sandbox)
        elif made.start and not made.kill_pod:
            sandbox = self.records.sandbox()
            if sandbox is not None:
                await self._start(made.start, sandbox)

    async def _create(self, attempt: int) -> None:
        """A new sandbox, and in it all that can start at once."""
        runtime = self._host.runtime
        config = self._starter.sandbox_config(self.pod, attempt, "")
        self.show()
        try:
            sandbox = await runtime.create_sandbox(config)
        except EngineDown:
            raise
        except RuntimeFailure as e:
            self._pod.tell("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {e}")
            raise
        running = asyncio.create_task(runtime.start_sandbox(sandbox, config), name=f"sandbox of {self.uid}")
        try:
            made = self._plan(coming=sandbox)
            self._crashes.follow(made)
            await self._start(made.start, sandbox, asyncio.shield(running))
        finally:
            [failure] = await asyncio.gather(running, return_exceptions=True)
            if isinstance(failure, RuntimeFailure):
                self._pod.tell("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {failure}")
                await ending.remove_unstarted(self._pod)
                await runtime.remove_sandbox(sandbox)

    async def _start(self, starts: list[Start], sandbox: SandboxRecord, running: Awaitable[None] | None = None) -> None:
        """`running`: what ends once a new sandbox runs."""
        started = await self._interruption.unless(
            self._starter.start(self.pod, starts, sandbox, running=running, publish=self.show)
        )
        if self._starter.retry is not None:
            self._wake_after(self._starter.retry)
        if started:
            self._wake.set()  # what follows an init container, or a container that ended at once, is planned now
            await ending.remove_old_attempts(self._pod)

    def _arm(self, made: Plan) -> None:
        """Set the timer to the first thing that is due."""
        due = [self._host.config.sync_seconds, *made.waiting.values()]
        if self._starter.retry is not None:
            due.append(self._starter.retry)
        left = self._pod.active_seconds_left()
        if left is not None:
            due.append(left)
        if any("serviceAccountToken" in str(v.get("projected", "")) for v in self.pod["spec"].get("volumes") or ()):
            self._refresh_volumes = True  # at the next wake: renews tokens that are due
        self._wake_after(max(min(due), 0.01))

    def _check_deadline(self) -> None:
        left = self._pod.active_seconds_left()
        if left is not None and left <= 0 and not self._pod.is_terminal():
            self._pod.tell("Normal", *DEADLINE)
            self._rejected = self._rejected or DEADLINE

    async def _update_volumes(self) -> None:
        self._refresh_volumes = False
        try:
            around = await self._starter.surroundings(self.pod, self.records.sandbox())
            await self._volumes.refresh(self.pod, around)
        except VolumeFailure as e:
            self._pod.tell("Warning", "FailedMount", str(e))
        except (errors.StatusError, httpx.HTTPError) as e:
            log.warning("volumes of pod %s not refreshed: %s", spec.full_name(self.pod), e)

    # the end

    async def _end(self) -> None:
        """The pod is over but stays in the API: its dead containers stay too, for their logs."""
        await self._probes.stop()
        await ending.kill_pod(self._pod, grace=spec.grace_seconds(self.pod))
        await self._report.read_messages()
        self.show()
        await asyncio.to_thread(self._volumes.tear_down)
        self._host.objects.release(self.uid)
        self._ended = True

    async def _delete(self) -> None:
        """Grace, final status, and out of the API; the containers go last, when nobody waits any more."""
        if not self._ended:
            self.show()
            await self._probes.stop("startup", "liveness")
            await ending.stop_containers(self._pod, end=self._pod.deadline.at)
            await self._probes.stop()
            await self._report.read_messages()
            self.show()
        await asyncio.gather(
            self._host.statuses.flush(self.uid),
            ending.remove_sandboxes(self._pod),
            asyncio.to_thread(self._volumes.tear_down),
        )
        if not spec.is_static(self.pod) and not self.pod.get("orphan"):
            await self._host.statuses.delete(self.pod)
        await asyncio.gather(*(self._host.runtime.remove_container(r) for r in list(self.records.containers.values())))
        self._forget()

    def _forget(self) -> None:
        self._gone = True
        self._host.objects.release(self.uid)
        self._host.statuses.forget(self.uid)
        self._host.images.forget(self.uid)
        self._host.forget_tokens(self.uid)
        self._crashes.forget()
        self._finished(self.uid)


def _differs(before: Obj, now: Obj, status: Obj) -> bool:
    """Whether a new version of a pod says anything that its worker did not say itself."""
    if before["spec"] != now["spec"]:
        return True
    names = ("labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds")
    if any(before["metadata"].get(n) != now["metadata"].get(n) for n in names):
        return True
    own = {c["type"] for c in status.get("conditions") or ()}
    others = [[c for c in _conditions(p) if c["type"] not in own] for p in (before, now)]
    return others[0] != others[1]


def _conditions(pod: Obj) -> list[Obj]:
    return (pod.get("status") or {}).get("conditions") or []
