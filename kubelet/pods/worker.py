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
from dataclasses import replace
from typing import Any, TypeVar

import httpx

from kubelet import metrics
from kubelet.pods import messages, resources, spec
from kubelet.pods.host import Host
from kubelet.pods.killing import Deadline
from kubelet.pods.paths import PodPaths
from kubelet.pods.plan import Kill, Observed, Plan, Start, plan
from kubelet.pods.starting import Starter, Unready, field_path
from kubelet.pods.status import OWNED, View, pod_status
from kubelet.probes.prober import FIELDS, ContainerProbes
from kubelet.runtime.interface import ContainerRecord, EngineDown, PodRecords, Resources, RuntimeFailure, SandboxRecord
from kubelet.volumes.interface import VolumeFailure
from kubelet.volumes.pod_volumes import PodVolumes
from pocketkube.api.meta import errors, times
from pocketkube.base import tasks
from pocketkube.base.backoff import Backoff

log = logging.getLogger(__name__)

Obj = dict[str, Any]
T = TypeVar("T")

ENGINE_RETRY = 5.0  # seconds; the engine's return wakes every worker anyway
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class Interrupted(Exception):
    """The pod is to be terminated: what was being waited for does not matter any more."""


class PodWorker:
    """`finished(uid)` is called once nothing of a deleted pod is left."""

    def __init__(self, host: Host, pod: Obj, *, finished: Callable[[str], None]) -> None:
        self.pod = pod
        self.uid = spec.uid(pod)
        self.status: Obj = pod.get("status") or {}
        self._host = host
        self._seen = host.clock.monotonic()
        self._finished = finished
        self._paths = PodPaths(host.config.root_dir, self.uid)
        self._volumes = PodVolumes(self._paths, token=host.token, lookup=host.objects.lookup)
        self._starter = Starter(host, self._paths, self._volumes)
        self._probes: dict[str, ContainerProbes] = {}
        self._wake = asyncio.Event()
        self._wake.set()
        self._timer: asyncio.Task[None] | None = None
        self._retries = Backoff(1.0, 60.0)
        self._deadline = Deadline()
        self._interrupt = asyncio.Event()
        self._deleting = False
        self._gone = False  # nothing of it is left
        self._ended = False  # torn down; the pod object may stay in the API for as long as it likes
        self._rejected: tuple[str, str] | None = None
        self._refresh_volumes = bool(pod["spec"].get("volumes"))  # an adopted pod's volumes are found again
        self._busy = False
        self._restarts = {
            s["name"]: int(s.get("restartCount") or 0) for s in _statuses(self.status) if s.get("containerID")
        }

    # what others call

    @property
    def records(self) -> PodRecords:
        return self._host.runtime.records.get(self.uid) or PodRecords()

    @property
    def terminating(self) -> bool:
        return self._deleting

    @property
    def over(self) -> bool:
        """It holds no resources of the node any more."""
        ended = self._rejected is not None or spec.is_terminal({"status": self.status})
        return self._ended or (ended and not self.records.running())

    def update(self, pod: Obj) -> None:
        """A newer version of the pod."""
        before, self.pod = self.pod, pod
        if not _differs(before, pod, self.status):
            return  # only what we wrote ourselves
        if pod["metadata"].get("deletionTimestamp"):
            self.terminate(spec.grace_seconds(pod))
        self.wake()

    def terminate(self, grace: float) -> None:
        """Delete the pod within `grace` seconds from now; a later, shorter one counts too."""
        self._deleting = True
        self._deadline.bring_forward(self._host.clock.monotonic() + max(grace, 1.0))
        self._interrupt.set()
        self.wake()

    def reject(self, reason: str, message: str, *, grace: float | None = None) -> None:
        """Fail the pod: refused at admission, or evicted."""
        if self._rejected is None and not spec.is_terminal({"status": self.status}):
            self._rejected = reason, message
            if grace is not None:
                self._deadline.bring_forward(self._host.clock.monotonic() + grace)
            self._interrupt.set()
            self.wake()

    def objects_changed(self) -> None:
        self._refresh_volumes = True
        self.wake()

    def wake(self) -> None:
        """Something about the pod may have changed. If a step is under way the status at least is brought up to date."""
        if self._busy and not self._wake.is_set():
            tasks.spawn(f"status of pod {self.uid}", self._show_meanwhile())
        self._wake.set()

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
            await self._stop_probes()
            if self._timer is not None:
                self._timer.cancel()

    async def _step(self) -> bool:
        """True when nothing is left to do, ever."""
        try:
            await self._read_messages()
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

    async def _unless_interrupted(self, work: Awaitable[T]) -> T:
        """The result of `work`; Interrupted as soon as the pod is to end. The work is then cancelled."""
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._interrupt.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Interrupted
            return task.result()
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    # syncing

    async def _sync(self) -> None:
        if self._ended:
            return
        self._check_deadline()
        if self._rejected is not None or spec.is_terminal({"status": self.status}):
            await self._end()
            return
        if self._refresh_volumes and self.records.running():
            await self._update_volumes()
        await self._resize()
        self._follow_probes()
        made = self._plan()
        self._back_off(made)
        await self._apply(made)
        self._follow_probes()
        self.show()
        if spec.is_terminal({"status": self.status}):
            await self._end()
        self._arm(made)

    def _plan(self) -> Plan:
        return plan(self.pod, self.records, self._observed())

    def _observed(self, **more: Any) -> Observed:
        failed = {p.record.id: Kill(p.record, p.failed, _probe_grace(p)) for p in self._probes.values() if p.failed}
        return Observed(
            failed=failed, started=self._is_started, backoff=self._backoff_left, restarts=self._restarts, **more
        )

    def _backoff_left(self, container: Obj, record: ContainerRecord) -> float:
        ended = record.finished_at or record.created_at
        return self._host.backoffs.remaining(self._backoff_key(container), ended, self._host.clock.now())

    def _backoff_key(self, container: Obj) -> tuple[str, str, str]:
        return self.uid, container["name"], spec.container_hash(container)

    def _back_off(self, made: Plan) -> None:
        """Show and tell who has to wait; count the restarts that are made now."""
        for name in made.waiting:
            container = spec.container(self.pod, name) or {"name": name}
            seconds = self._host.backoffs.seconds(self._backoff_key(container))
            where = f"{spec.full_name(self.pod)}({self.uid})"
            text = f"back-off {_go_duration(seconds)} restarting failed container={name} pod={where}"
            if self._starter.waiting.get(name) != ("CrashLoopBackOff", text):
                self._starter.waiting[name] = "CrashLoopBackOff", text
                self._tell(name, "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {where}")
        for start in made.start:
            latest = self.records.latest(start.container["name"])
            if latest is not None and latest.state == "exited" and latest.finished_at:
                self._host.backoffs.tried(
                    self._backoff_key(start.container), latest.finished_at, self._host.clock.now()
                )

    def _tell(self, name: str, type: str, reason: str, message: str) -> None:
        self._host.recorder.event(self.pod, type, reason, message, field_path=field_path(self.pod, name))

    async def _apply(self, made: Plan) -> None:
        if made.kill_pod:
            await self._kill_pod(spec.grace_seconds(self.pod))
        if made.kill:
            await asyncio.gather(*(self._kill(k) for k in made.kill))
            self._wake.set()
        if made.new_sandbox is not None:
            await self._create(made.new_sandbox)
        elif made.start and not made.kill_pod:
            await self._start(made.start)

    async def _kill(self, kill: Kill) -> None:
        self._tell(kill.record.name, "Normal", "Killing", kill.message)
        grace = spec.grace_seconds(self.pod) if kill.grace is None else kill.grace
        await self._host.killer.kill(
            self.pod, kill.record, grace=grace, deadline=self._deadline, warn=self._warner(kill.record)
        )

    def _warner(self, record: ContainerRecord) -> Callable[[str, str], None]:
        return lambda reason, message: self._tell(record.name, "Warning", reason, message)

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
            self._host.recorder.event(
                self.pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {e}"
            )
            raise
        running = asyncio.create_task(runtime.start_sandbox(sandbox, config), name=f"sandbox of {self.uid}")
        try:
            made = plan(self.pod, self.records, self._observed(coming=sandbox))
            self._back_off(made)
            await self._run_starts(made.start, sandbox, asyncio.shield(running))
        finally:
            [failure] = await asyncio.gather(running, return_exceptions=True)
            if isinstance(failure, RuntimeFailure):
                text = f"Failed to create pod sandbox: {failure}"
                self._host.recorder.event(self.pod, "Warning", "FailedCreatePodSandBox", text)
                for record in list(self.records.containers.values()):
                    if record.state == "created":
                        await runtime.remove_container(record)
                await runtime.remove_sandbox(sandbox)

    async def _start(self, starts: list[Start]) -> None:
        sandbox = self.records.sandbox()
        if sandbox is not None:
            await self._run_starts(starts, sandbox)

    async def _run_starts(
        self, starts: list[Start], sandbox: SandboxRecord, running: Awaitable[None] | None = None
    ) -> None:
        """`running`: what ends once a new sandbox runs."""
        started = await self._unless_interrupted(
            self._starter.start(self.pod, starts, sandbox, running=running, publish=self.show)
        )
        self._after_start()
        if started:
            self._wake.set()  # what follows an init container, or a container that ended at once, is planned now
            await self._remove_old_attempts()

    async def _remove_old_attempts(self) -> None:
        """Of each container the newest attempt stays, and as many dead ones before it as the settings say."""
        keep = 1 + max(self._host.config.max_dead_containers, 1)
        for container in spec.all_containers(self.pod):
            for record in self.records.attempts(container["name"])[keep:]:
                if record.state == "exited":
                    await self._host.runtime.remove_container(record)
                    self._paths.termination_message(record.name, record.attempt).unlink(missing_ok=True)

    def _after_start(self) -> None:
        if self._starter.retry is not None:
            self._wake_after(self._starter.retry)

    def _arm(self, made: Plan) -> None:
        """Set the timer to the first thing that is due."""
        due = [self._host.config.sync_seconds, *made.waiting.values()]
        if self._starter.retry is not None:
            due.append(self._starter.retry)
        left = self._deadline_left()
        if left is not None:
            due.append(left)
        if any("serviceAccountToken" in str(v.get("projected", "")) for v in self.pod["spec"].get("volumes") or ()):
            self._refresh_volumes = True  # at the next wake: renews tokens that are due
        self._wake_after(max(min(due), 0.01))

    def _deadline_left(self) -> float | None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        began = self.status.get("startTime")
        if seconds is None or not began:
            return None
        return float(seconds) - (self._host.clock.now() - times.parse(began)).total_seconds()

    def _check_deadline(self) -> None:
        left = self._deadline_left()
        if left is not None and left <= 0 and not spec.is_terminal({"status": self.status}):
            self._host.recorder.event(self.pod, "Normal", DEADLINE[0], DEADLINE[1])
            self._rejected = self._rejected or DEADLINE

    async def _update_volumes(self) -> None:
        self._refresh_volumes = False
        try:
            around = await self._starter.surroundings(self.pod, self.records.sandbox())
            await self._volumes.refresh(self.pod, around)
        except VolumeFailure as e:
            self._host.recorder.event(self.pod, "Warning", "FailedMount", str(e))
        except (errors.StatusError, httpx.HTTPError) as e:
            log.warning("volumes of pod %s not refreshed: %s", spec.full_name(self.pod), e)

    async def _resize(self) -> None:
        """Give running containers the limits that the spec says now."""
        for record in self.records.running():
            container = spec.container(self.pod, record.name)
            if container is None or container in spec.ephemeral_containers(self.pod):
                continue
            wanted = resources.of_container(self.pod, container, machine_memory=self._host.machine_memory)
            wanted = replace(wanted, oom_score_adj=record.resources.oom_score_adj, pids=record.resources.pids)
            if wanted == record.resources:
                continue
            if _restarts_on_resize(container, record.resources, wanted):
                record.resources = wanted
                await self._kill(Kill(record, f"Container {record.name} resize requires restart"))
                self._wake.set()
                continue
            try:
                await self._host.runtime.update_container(record, wanted)
            except EngineDown:
                raise
            except RuntimeFailure as e:
                self._tell(record.name, "Warning", "ResizeError", str(e))
                record.resources = wanted

    # probes

    def _follow_probes(self) -> None:
        """Probes for each running container that has some; none for what has ended."""
        running = {record.id: record for record in self.records.running()}
        for gone in [i for i in self._probes if i not in running]:
            probes = self._probes.pop(gone)
            tasks.spawn(f"end of probes of {probes.record.name}", probes.stop())
        for record in running.values():
            container = spec.container(self.pod, record.name)
            if record.id not in self._probes and container and any(container.get(f) for f in FIELDS.values()):
                self._probes[record.id] = self._probe(container, record)

    def _probe(self, container: Obj, record: ContainerRecord) -> ContainerProbes:
        known = next((s for s in _statuses(self.status) if str(s.get("containerID", "")).endswith(record.id)), {})
        adopted = bool(known.get("ready")), bool(known.get("started"))
        return ContainerProbes(
            self.pod,
            container,
            record,
            runtime=self._host.runtime,
            clock=self._host.clock,
            changed=self.wake,
            tell=lambda type, reason, message: self._tell(record.name, type, reason, message),
            adopted=adopted,
        )

    async def _stop_probes(self, *kinds: str) -> None:
        await asyncio.gather(*(p.stop(*kinds) for p in self._probes.values()))

    def _is_started(self, record: ContainerRecord) -> bool:
        probes = self._probes.get(record.id)
        if probes is not None:
            return probes.started
        container = spec.container(self.pod, record.name) or {}
        return not container.get("startupProbe")

    def _is_ready(self, record: ContainerRecord) -> bool:
        probes = self._probes.get(record.id)
        if probes is not None:
            return probes.ready
        container = spec.container(self.pod, record.name) or {}
        return not container.get("readinessProbe")

    # status

    def show(self) -> None:
        """Compute the status from what is known now and hand it on if it changed."""
        if self._gone:
            return
        for record in self.records.containers.values():
            if record.state != "created":
                self._restarts[record.name] = max(record.attempt, self._restarts.get(record.name, 0))
        merged = {**(self.pod.get("status") or {}), **self.status, "conditions": self._known_conditions()}
        sandbox = self.records.sandbox()
        host_ips = self._host.host_ips()
        ips = (sandbox.ip,) if sandbox is not None and sandbox.ip else host_ips if spec.host_network(self.pod) else ()
        view = View(
            records=self.records,
            now=self._host.clock.now(),
            waiting=self._starter.waiting,
            ready=self._is_ready,
            started=self._is_started,
            image_id=self._image_id,
            host_ips=host_ips,
            ips=ips,
            rejected=self._rejected,
            over=self._deleting or self._rejected is not None or spec.is_terminal({"status": self.status}),
        )
        status = pod_status({**self.pod, "status": merged}, view)
        if status != self.status:
            if self.status.get("phase", "Pending") == "Pending" and status["phase"] == "Running":
                metrics.POD_START_SECONDS.observe(self._host.clock.monotonic() - self._seen)
            self.status = status
            self._host.statuses.set(self.uid, status)

    def _known_conditions(self) -> list[Obj]:
        """Ours as we last set them, others' as the API has them."""
        own = {c["type"]: c for c in self.status.get("conditions") or ()}
        theirs = {c["type"]: c for c in (self.pod.get("status") or {}).get("conditions") or ()}
        return list(
            {**own, **{t: c for t, c in theirs.items() if t not in own or t == "PodScheduled"}, **_owned(own)}.values()
        )

    def _image_id(self, record: ContainerRecord) -> str:
        return f"docker://{record.image_id}" if record.image_id else ""

    async def _read_messages(self) -> None:
        for record in list(self.records.containers.values()):
            if record.state == "exited" and record.message is None:
                container = spec.container(self.pod, record.name) or {}
                path = self._paths.termination_message(record.name, record.attempt)
                record.message = self._known_message(record)
                record.message = await messages.read(container, record, path, self._host.runtime) or record.message

    def _known_message(self, record: ContainerRecord) -> str:
        """What the status says already of this very container: its file may be gone."""
        for found in _statuses(self.status):
            for part in ("state", "lastState"):
                terminated = (found.get(part) or {}).get("terminated") or {}
                if str(terminated.get("containerID", "")).endswith(record.id):
                    return str(terminated.get("message") or "")
        return ""

    async def _show_meanwhile(self) -> None:
        try:
            await self._read_messages()
        except RuntimeFailure as e:
            log.debug("termination message of pod %s not read: %s", self.uid, e)
        if not self._ended:
            self.show()

    # the end

    async def _kill_pod(self, grace: float) -> None:
        """All containers, sidecars after the others and in reverse order; then the sandbox."""
        running = self.records.running()
        sidecars = [c["name"] for c in spec.init_containers(self.pod) if spec.is_sidecar(c)]
        end = self._host.clock.monotonic() + grace
        await asyncio.gather(*(self._stop(r, end) for r in running if r.name not in sidecars))
        for name in reversed(sidecars):
            await asyncio.gather(*(self._stop(r, end) for r in running if r.name == name))
        await self._remove_sandboxes()

    async def _stop(self, record: ContainerRecord, end: float) -> None:
        self._tell(record.name, "Normal", "Killing", f"Stopping container {record.name}")
        left = max(min(end, self._deadline.at) - self._host.clock.monotonic(), 0.0)
        await self._host.killer.kill(self.pod, record, grace=left, deadline=self._deadline, warn=self._warner(record))

    async def _remove_sandboxes(self) -> None:
        for record in [r for r in self.records.containers.values() if r.state == "created"]:
            await self._host.runtime.remove_container(record)
        await asyncio.gather(*(self._host.runtime.remove_sandbox(s) for s in list(self.records.sandboxes.values())))

    async def _end(self) -> None:
        """The pod is over but stays in the API: its dead containers stay too, for their logs."""
        await self._stop_probes()
        await self._kill_pod(spec.grace_seconds(self.pod))
        await self._read_messages()
        self.show()
        await asyncio.to_thread(self._volumes.tear_down)
        self._host.objects.release(self.uid)
        self._ended = True

    async def _delete(self) -> None:
        """Grace, final status, and out of the API; the containers go last, when nobody waits any more."""
        if not self._ended:
            self.show()
            await self._stop_probes("startup", "liveness")
            await self._kill_running()
            await self._stop_probes()
            await self._read_messages()
            self.show()
        await asyncio.gather(self._host.statuses.flush(self.uid), self._remove_sandboxes(), self._tear_down())
        if not spec.is_static(self.pod) and not self.pod.get("orphan"):
            await self._host.statuses.delete(self.pod)
        await asyncio.gather(*(self._host.runtime.remove_container(r) for r in list(self.records.containers.values())))
        self._forget()

    async def _kill_running(self) -> None:
        running = self.records.running()
        sidecars = [c["name"] for c in spec.init_containers(self.pod) if spec.is_sidecar(c)]
        end = self._deadline.at
        await asyncio.gather(*(self._stop(r, end) for r in running if r.name not in sidecars))
        for name in reversed(sidecars):
            await asyncio.gather(*(self._stop(r, end) for r in running if r.name == name))

    async def _tear_down(self) -> None:
        await asyncio.to_thread(self._volumes.tear_down)

    def _forget(self) -> None:
        self._gone = True
        self._host.objects.release(self.uid)
        self._host.statuses.forget(self.uid)
        self._host.images.forget(self.uid)
        self._host.forget_tokens(self.uid)
        for container in spec.all_containers(self.pod):
            self._host.backoffs.forget(self._backoff_key(container))
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


def _statuses(status: Obj) -> list[Obj]:
    parts = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return [s for part in parts for s in status.get(part) or ()]


def _owned(conditions: dict[str, Obj]) -> dict[str, Obj]:
    return {t: c for t, c in conditions.items() if t in OWNED and t != "PodScheduled"}


def _restarts_on_resize(container: Obj, old: Resources, new: Resources) -> bool:
    changed = {"memory"} if old.memory != new.memory else set()
    if (old.cpu_shares, old.cpu_quota) != (new.cpu_shares, new.cpu_quota):
        changed.add("cpu")
    policies = {p["resourceName"]: p["restartPolicy"] for p in container.get("resizePolicy") or ()}
    return any(policies.get(name) == "RestartContainer" for name in changed)


def _probe_grace(probes: ContainerProbes) -> float | None:
    """A probe may carry a grace period of its own."""
    for name in ("livenessProbe", "startupProbe"):
        seconds = (probes.container.get(name) or {}).get("terminationGracePeriodSeconds")
        if seconds is not None:
            return float(seconds)
    return None


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
