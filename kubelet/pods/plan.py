"""What must be done to a pod's containers, from what it should be and what runs. Pure: same input, same plan.

Example: a pod with init container `i` and containers `a`, `b`; the sandbox runs, `i` exited 0, `a` exited 1 two seconds ago for
the second time, `b` runs. The plan starts nothing, waits for `a` (CrashLoopBackOff, 8 s left) and leaves `b` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubelet.pods import spec
from kubelet.runtime.interface import ContainerRecord, PodRecords, SandboxRecord

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """Start `container` (its spec) as attempt number `attempt`; `stale` is a created, never started one to remove first."""

    container: Obj
    attempt: int
    stale: ContainerRecord | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a running container; `message` is for the event. `grace` overrides the pod's, in seconds."""

    record: ContainerRecord
    message: str
    grace: float | None = None


@dataclass(slots=True)
class Plan:
    """`kill_pod` comes first: all containers, then the sandbox. Then `new_sandbox` if not None is its attempt number."""

    kill_pod: bool = False
    new_sandbox: int | None = None
    kill: list[Kill] = field(default_factory=list)
    start: list[Start] = field(default_factory=list)
    waiting: dict[str, float] = field(default_factory=dict)  # container -> seconds of back-off left

    @property
    def empty(self) -> bool:
        return not (self.kill_pod or self.new_sandbox is not None or self.kill or self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Beside the records: what the probes say, by container id, and how long a container must still back off.

    `failed` holds ids that liveness or startup probes gave up on, with the event's text; `started` those whose startup is done.
    `restarts` is the restart count last known of a container that has no record any more.
    """

    coming: SandboxRecord | None = None  # created and about to run: plan as if it did
    failed: Mapping[str, Kill] = field(default_factory=dict)
    started: Callable[[ContainerRecord], bool] = lambda record: True
    backoff: Callable[[Obj, ContainerRecord], float] = lambda container, record: 0.0
    restarts: Mapping[str, int] = field(default_factory=dict)


def plan(pod: Obj, records: PodRecords, observed: Observed) -> Plan:
    sandbox = records.sandbox()
    if sandbox is None or (sandbox.state != "running" and sandbox is not observed.coming):
        return _without_sandbox(pod, records, sandbox, observed)
    made = Plan()
    current = _Current(pod, records, sandbox, observed, made)
    ready = current.initialize()
    if ready:
        current.run_containers()
    for container in spec.ephemeral_containers(pod):
        if records.latest(container["name"]) is None:
            made.start.append(Start(container, 0))
    return made


def _without_sandbox(pod: Obj, records: PodRecords, sandbox: SandboxRecord | None, observed: Observed) -> Plan:
    """A new sandbox, unless all that it would hold is over. What still runs beside a dead sandbox is killed first."""
    if sandbox is not None and sandbox.state == "created" and not records.running():
        return Plan(kill_pod=True, new_sandbox=sandbox.attempt)  # a kubelet died between creating and starting it
    over = [_is_over(pod, records, c) for c in spec.containers(pod)]
    failed = spec.restart_policy(pod) == "Never" and _init_failed(pod, records)
    if sandbox is not None and (all(over) or failed):
        return Plan(kill_pod=bool(records.running()))
    attempt = 0 if sandbox is None else sandbox.attempt + 1
    return Plan(kill_pod=bool(records.running()) or sandbox is not None, new_sandbox=attempt)


def _is_over(pod: Obj, records: PodRecords, container: Obj) -> bool:
    latest = records.latest(container["name"])
    return latest is not None and latest.state == "exited" and not spec.may_restart(pod, container, latest.exit_code)


def _init_failed(pod: Obj, records: PodRecords) -> bool:
    found = [records.latest(c["name"]) for c in spec.init_containers(pod) if not spec.is_sidecar(c)]
    return any(c is not None and c.state == "exited" and c.exit_code != 0 for c in found)


def next_attempt(records: PodRecords, container: Obj, observed: Observed) -> int:
    """One more than the highest known: restart counts never fall, even if the containers were removed behind our back."""
    latest = records.latest(container["name"])
    lost = observed.restarts.get(container["name"], -1)
    return max(lost, latest.attempt if latest else -1) + 1


@dataclass(slots=True)
class _Current:
    """The plan of a pod whose sandbox runs, being made."""

    pod: Obj
    records: PodRecords
    sandbox: SandboxRecord
    observed: Observed
    made: Plan

    def _latest(self, container: Obj) -> ContainerRecord | None:
        """Of this sandbox: what ran in an earlier one does not count as done."""
        found = self.records.latest(container["name"])
        return found if found is not None and found.sandbox_attempt == self.sandbox.attempt else None

    def initialize(self) -> bool:
        """Bring the init containers forward, in order; True once the others may run."""
        begun = any(self._latest(c) is not None for c in spec.containers(self.pod))
        for container in spec.init_containers(self.pod):
            record = self._latest(container)
            if spec.is_sidecar(container):
                if not self._keep_running(container, record) and not begun:
                    return False
            elif not begun and not self._complete(container, record):
                return False
        return True

    def _complete(self, container: Obj, record: ContainerRecord | None) -> bool:
        if record is None or record.state == "created":
            self._start(container, record)
            return False
        if record.state == "running":
            return False
        if record.exit_code == 0:
            return True
        if spec.restart_policy(self.pod) == "Never":
            self.made.kill_pod = True
        else:
            self._restart(container, record)
        return False

    def _keep_running(self, container: Obj, record: ContainerRecord | None) -> bool:
        """True if the sidecar is up, so that the next container may start."""
        if record is None or record.state == "created":
            self._start(container, record)
        elif record.state == "exited":
            self._restart(container, record)
        elif record.id in self.observed.failed:
            self.made.kill.append(self.observed.failed[record.id])
        else:
            return self.observed.started(record)
        return False

    def run_containers(self) -> None:
        kept = 0
        for container in spec.containers(self.pod):
            record = self._latest(container)
            if record is None or record.state == "created":
                if record is None and _is_over(self.pod, self.records, container):
                    continue  # it succeeded in an earlier sandbox
                self._start(container, record)
                kept += 1
            elif record.state == "running":
                self._check(container, record)
                kept += 1
            elif spec.may_restart(self.pod, container, record.exit_code):
                self._restart(container, record)
                kept += 1
        if not kept:
            self.made.kill_pod, self.made.start, self.made.kill = True, [], []

    def _check(self, container: Obj, record: ContainerRecord) -> None:
        if record.id in self.observed.failed:
            self.made.kill.append(self.observed.failed[record.id])
        elif record.labels.get(HASH, spec.container_hash(container)) != spec.container_hash(container):
            text = f"Container {container['name']} definition changed, will be restarted"
            self.made.kill.append(Kill(record, text))

    def _start(self, container: Obj, stale: ContainerRecord | None) -> None:
        attempt = stale.attempt if stale is not None else next_attempt(self.records, container, self.observed)
        self.made.start.append(Start(container, attempt, stale))

    def _restart(self, container: Obj, record: ContainerRecord) -> None:
        seconds = self.observed.backoff(container, record)
        if seconds > 0:
            self.made.waiting[container["name"]] = seconds
        else:
            self.made.start.append(Start(container, next_attempt(self.records, container, self.observed)))


HASH = "io.kubernetes.container.hash"
