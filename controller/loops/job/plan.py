"""What to do about a job now: pods to create and delete, the status to write, events to tell. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controller.conditions import find
from controller.loops.job import indexes
from controller.loops.job.pods import index_of, is_indexed, new_pod, replaces_only_failed
from controller.loops.job.tally import Tally, tally
from controller.pods import deletion_order, restarts
from pocketkube.api.meta import times
from pocketkube.api.meta.times import rfc3339

Obj = dict[str, Any]

BURST = 500
_FIRST_DELAY, _LONGEST_DELAY = 10.0, 600.0  # seconds between a failure and the next pod
_NO_LIMIT = 2**31 - 1


@dataclass(slots=True)
class Record:
    """Failures since the last success, kept in memory between syncs."""

    failures: int = 0
    last: datetime | None = None

    def note(self, successes: Sequence[datetime], failures: Sequence[datetime]) -> None:
        newest = max(successes, default=None)
        if newest is not None:
            failures = [f for f in failures if f > newest]
            self.failures, self.last = 0, None
        self.failures += len(failures)
        self.last = max([*failures, *([self.last] if self.last else [])], default=None)

    def wait(self, now: datetime) -> float:
        """Seconds before another pod may be created."""
        if not self.failures or self.last is None:
            return 0.0
        return max(0.0, delay(self.failures) - (now - self.last).total_seconds())


def delay(failures: int) -> float:
    return float(min(_FIRST_DELAY * 2 ** min(failures - 1, 10), _LONGEST_DELAY))


@dataclass(slots=True)
class Plan:
    create: list[Obj] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    release: list[Obj] = field(default_factory=list)
    status: Obj = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)  # type, reason, message
    again: float | None = None


def finished(job: Obj) -> bool:
    return any(_is(job, t) for t in ("Complete", "Failed"))


def _is(job: Obj, type: str) -> bool:
    found = find((job.get("status") or {}).get("conditions"), type)
    return found is not None and found["status"] == "True"


def plan(
    job: Obj, pods: Sequence[Obj], *, released: AbstractSet[str], record: Record, now: datetime, fresh: bool
) -> Plan:
    """`pods` are the job's own. `record` is updated. `fresh` says that the cache shows all our creations and deletions."""
    draft = _Draft(job, pods, released=released, now=now)
    record.note(draft.tally.new_successes, draft.tally.new_failures)
    draft.decide()
    if fresh and not job["metadata"].get("deletionTimestamp"):
        draft.manage(record)
    return draft.finish()


class _Draft:
    def __init__(self, job: Obj, pods: Sequence[Obj], *, released: AbstractSet[str], now: datetime):
        self.job, self.now, self.stamp = job, now, rfc3339(now)
        self.spec = job["spec"]
        self.old = job.get("status") or {}
        self.conditions: list[Obj] = list(self.old.get("conditions") or ())
        ending = _is(job, "FailureTarget") or _is(job, "SuccessCriteriaMet")
        self.tally: Tally = tally(job, pods, released, now, ending=ending)
        self.plan = Plan(release=list(self.tally.release))
        self.suspended = bool(self.spec.get("suspend"))
        self.start = self.old.get("startTime")

    # --- what becomes of the job

    def decide(self) -> None:
        """Sets SuccessCriteriaMet or FailureTarget once its fate is known; Suspended while nothing is decided."""
        if self._ends():
            return
        failure = self._failure()
        if failure:
            self._set("FailureTarget", *failure)
            return
        success = self._success()
        if success:
            self._set("SuccessCriteriaMet", *success)
            return
        self._note_suspension()
        if not self.suspended and self.start is None:
            self.start = self.stamp

    def _ends(self) -> bool:
        return any(
            c["type"] in ("FailureTarget", "SuccessCriteriaMet") and c["status"] == "True" for c in self.conditions
        )

    def _set(self, type: str, reason: str, message: str, status: str = "True") -> None:
        fresh = {"type": type, "status": status, "reason": reason, "message": message}
        stamps = {"lastProbeTime": self.stamp, "lastTransitionTime": self.stamp}
        self.conditions = [c for c in self.conditions if c["type"] != type] + [{**fresh, **stamps}]

    def _failure(self) -> tuple[str, str] | None:
        if self.tally.job_failure:
            return "PodFailurePolicy", self.tally.job_failure
        if self._past_backoff_limit():
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if self._deadline_left() == 0.0:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        if self.spec.get("backoffLimitPerIndex") is None:
            return None
        most = self.spec.get("maxFailedIndexes")
        if most is not None and len(self.tally.failed_indexes) > most:
            return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        ended = len(self.tally.failed_indexes | self.tally.completed) >= (self.spec.get("completions") or 0)
        if ended and self.tally.failed_indexes and not self.tally.active:
            return "FailedIndexes", "Job has failed indexes"
        return None

    def _past_backoff_limit(self) -> bool:
        limit = self.spec.get("backoffLimit")
        limit = (_NO_LIMIT if self.spec.get("backoffLimitPerIndex") is not None else 6) if limit is None else limit
        if self.tally.all_failed > limit and (self.tally.new_failures or self._success() is None):
            return True
        if self.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        restarted = sum(restarts(p) for p in self.tally.active)
        return restarted >= limit if limit else restarted > 0

    def _deadline_left(self) -> float | None:
        """Seconds until activeDeadlineSeconds, None without one."""
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None or self.start is None or self.suspended:
            return None
        return max(0.0, (times.parse(self.start) + timedelta(seconds=seconds) - self.now).total_seconds())

    def _success(self) -> tuple[str, str] | None:
        matched = self._success_policy()
        if matched is not None:
            return "SuccessPolicy", f"Matched rules at index {matched}"
        completions = self.spec.get("completions")
        done = self.tally.all_succeeded
        if completions is None:
            over = done > 0 and not self.tally.active
        else:
            over = done >= completions
        return ("CompletionsReached", "Reached expected number of succeeded pods") if over else None

    def _success_policy(self) -> int | None:
        if not is_indexed(self.job):
            return None
        completions = self.spec.get("completions") or 0
        for number, rule in enumerate((self.spec.get("successPolicy") or {}).get("rules") or ()):
            among = self.tally.completed
            wanted = rule.get("succeededIndexes")
            if wanted is not None:
                listed = indexes.parse(wanted, completions)
                among = among & listed
            need = rule.get("succeededCount")
            if len(among) >= (need if need is not None else len(indexes.parse(wanted or "", completions))):
                return number
        return None

    def _note_suspension(self) -> None:
        current = find(self.conditions, "Suspended")
        if self.suspended and (current is None or current["status"] != "True"):
            self._set("Suspended", "JobSuspended", "Job suspended")
            self.plan.events.append(("Normal", "Suspended", "Job suspended"))
            self.start = None
        elif not self.suspended and current is not None and current["status"] == "True":
            self._set("Suspended", "JobResumed", "Job resumed", "False")
            self.plan.events.append(("Normal", "Resumed", "Job resumed"))
            self.start = self.stamp

    # --- pods

    def manage(self, record: Record) -> None:
        """Ends surplus pods, or all of them when the job ends or sleeps; creates what is missing."""
        active = self.tally.active
        if self._ends() or self.suspended:
            self.plan.delete = active[:BURST]
            return
        surplus = self._surplus()
        if surplus:
            self.plan.delete = surplus[:BURST]
            return
        busy = len(active) + (len(self.tally.terminating) if replaces_only_failed(self.job) else 0)
        missing = min(self._wanted() - busy, BURST)
        if missing <= 0:
            return
        if is_indexed(self.job):
            self._create_indexed(missing, record)
            return
        wait = record.wait(self.now)
        if wait:
            self._again(wait)
            return
        self.plan.create = [new_pod(self.job, None) for _ in range(missing)]

    def _wanted(self) -> int:
        parallelism = int(self.spec.get("parallelism", 1))
        completions = self.spec.get("completions")
        if completions is None:
            return len(self.tally.active) if self.tally.all_succeeded else parallelism
        left = completions - self.tally.all_succeeded
        if is_indexed(self.job):
            left = completions - len(self.tally.completed | self.tally.failed_indexes)
        return min(parallelism, max(0, int(left)))

    def _surplus(self) -> list[Obj]:
        active = self.tally.active
        drop: list[Obj] = []
        if is_indexed(self.job):
            drop = self._misplaced()
        over = len(active) - len(drop) - self._wanted()
        if over > 0:
            dropped = {p["metadata"]["uid"] for p in drop}
            rest = [p for p in active if p["metadata"]["uid"] not in dropped]
            drop += deletion_order(rest, {}, self.now)[:over]
        return drop

    def _misplaced(self) -> list[Obj]:
        """Pods whose index is unknown, beyond completions, done already, or held by another pod too."""
        seen: set[int] = set()
        drop = []
        for pod in self.tally.active:
            index = index_of(pod)
            over = index is None or index >= (self.spec.get("completions") or 0)
            if over or index in seen or index in self.tally.completed or index in self.tally.failed_indexes:
                drop.append(pod)
            elif index is not None:
                seen.add(index)
        return drop

    def _create_indexed(self, missing: int, record: Record) -> None:
        held = [*self.tally.active, *(self.tally.terminating if replaces_only_failed(self.job) else ())]
        taken = {index_of(p) for p in held} | self.tally.completed | self.tally.failed_indexes
        free = [i for i in range(self.spec.get("completions") or 0) if i not in taken][:missing]
        per_index = self.spec.get("backoffLimitPerIndex") is not None
        for index in free:
            failures, ignored, last = self.tally.index_failures.get(index, (0, 0, self.now))
            count = failures + ignored
            wait = record.wait(self.now) if not per_index else 0.0
            if per_index and count:
                wait = max(0.0, delay(count) - (self.now - last).total_seconds())
            if wait:
                self._again(wait)
            else:
                self.plan.create.append(new_pod(self.job, index, failures=failures, ignored=ignored))

    def _again(self, seconds: float) -> None:
        self.plan.again = seconds if self.plan.again is None else min(self.plan.again, seconds)

    # --- status

    def finish(self) -> Plan:
        counted = self.tally
        self._finalize()
        status: Obj = {
            "conditions": self.conditions,
            "startTime": self.start,
            "completionTime": self.old.get("completionTime"),
            "active": len(counted.active),
            "ready": counted.ready,
            "terminating": len(counted.terminating),
            "succeeded": counted.succeeded,
            "failed": counted.failed,
            "uncountedTerminatedPods": self._uncounted(),
        }
        if is_indexed(self.job):
            status["completedIndexes"] = indexes.render(counted.completed)
            if self.spec.get("backoffLimitPerIndex") is not None:
                status["failedIndexes"] = indexes.render(counted.failed_indexes)
        if self._complete() and not status["completionTime"]:
            status["completionTime"] = self.stamp
        keep = ("ready", "terminating", "uncountedTerminatedPods", "failedIndexes")
        self.plan.status = {k: v for k, v in status.items() if v or (k in keep and v is not None)}
        left = self._deadline_left()
        if left:
            self._again(left)
        return self.plan

    def _uncounted(self) -> Obj:
        pending = {"succeeded": self.tally.uncounted_succeeded, "failed": self.tally.uncounted_failed}
        return {k: v for k, v in pending.items() if v}

    def _complete(self) -> bool:
        return any(c["type"] == "Complete" for c in self.conditions)

    def _finalize(self) -> None:
        """Complete or Failed come last: when every pod is gone or counted."""
        pending = self.tally.uncounted_succeeded or self.tally.uncounted_failed
        if pending or self.tally.active or self.tally.terminating or self.tally.release:
            return
        for target, final in (("FailureTarget", "Failed"), ("SuccessCriteriaMet", "Complete")):
            found = find(self.conditions, target)
            if found is None or found["status"] != "True":
                continue
            self._set(final, found["reason"], found.get("message", ""))
            if final == "Complete":
                self.plan.events.append(("Normal", "Completed", "Job completed"))
            else:
                self.plan.events.append(("Warning", found["reason"], found.get("message", "")))
            return
