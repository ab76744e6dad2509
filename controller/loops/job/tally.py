"""Who finished, who runs, what is counted: a job's pods and status in, numbers and sets out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.loops.job import indexes
from controller.loops.job.failure_policy import judge
from controller.loops.job.pods import (
    FAILURES,
    IGNORED_FAILURES,
    finished_at,
    has_failed,
    index_of,
    is_indexed,
    is_tracked,
    noted,
)
from controller.pods import is_active, is_ready, is_terminating, phase

Obj = dict[str, Any]

MOST_UNCOUNTED = 500


@dataclass(slots=True)
class Tally:
    """`succeeded` and `failed` are the numbers already in the status; uids in `uncounted_*` will join them."""

    succeeded: int
    failed: int
    uncounted_succeeded: list[str]
    uncounted_failed: list[str]
    active: list[Obj] = field(default_factory=list)
    terminating: list[Obj] = field(default_factory=list)
    release: list[Obj] = field(default_factory=list)  # finished and recorded (or not to be): their finalizer goes
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    index_failures: dict[int, tuple[int, int, datetime]] = field(
        default_factory=dict
    )  # index: failures, ignored, last end
    new_successes: list[datetime] = field(default_factory=list)
    new_failures: list[datetime] = field(default_factory=list)
    job_failure: str = ""  # a FailJob rule matched: why

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.uncounted_succeeded)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.uncounted_failed)

    @property
    def ready(self) -> int:
        return sum(map(is_ready, self.active))


def tally(job: Obj, pods: Sequence[Obj], released: AbstractSet[str], now: datetime, *, ending: bool) -> Tally:
    """`released` are uids whose finalizer we removed, though the cache may still show it. `ending`: the job's fate is
    decided, so whatever still runs is being deleted and counts as failed."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    tracked = {p["metadata"]["uid"] for p in pods if is_tracked(p)} - released
    counted: Tally = Tally(status.get("succeeded") or 0, status.get("failed") or 0, [], [])
    for uid in uncounted.get("succeeded") or ():
        if uid in tracked:
            counted.uncounted_succeeded.append(uid)
        else:
            counted.succeeded += 1
    for uid in uncounted.get("failed") or ():
        if uid in tracked:
            counted.uncounted_failed.append(uid)
        else:
            counted.failed += 1
    if is_indexed(job):
        completions = job["spec"].get("completions") or 0
        counted.completed = indexes.parse(status.get("completedIndexes") or "", completions)
        counted.failed_indexes = indexes.parse(status.get("failedIndexes") or "", completions)
    for pod in sorted(pods, key=lambda p: finished_at(p, now)):
        _add(counted, job, pod, tracked, now, ending=ending)
    if is_indexed(job):
        counted.succeeded, counted.uncounted_succeeded = _by_index(counted)
    return counted


def _add(counted: Tally, job: Obj, pod: Obj, tracked: AbstractSet[str], now: datetime, *, ending: bool) -> None:
    uid = pod["metadata"]["uid"]
    if is_active(pod):
        counted.active.append(pod)
        return
    if is_terminating(pod):
        counted.terminating.append(pod)
    succeeded = phase(pod) == "Succeeded"
    put_to_sleep = bool(job["spec"].get("suspend")) and phase(pod) not in ("Succeeded", "Failed")
    failed = has_failed(pod, job) or (ending and not succeeded)
    index = index_of(pod) if is_indexed(job) else None
    if failed and index is not None and not put_to_sleep:
        _note_index_failure(counted, job, pod, index, now)
    if uid not in tracked or not (succeeded or failed):
        return
    if uid in counted.uncounted_succeeded or uid in counted.uncounted_failed:
        counted.release.append(pod)
        return
    if len(counted.uncounted_succeeded) + len(counted.uncounted_failed) >= MOST_UNCOUNTED:
        return
    counted.release.append(pod)
    if put_to_sleep:
        return  # we ended it ourselves: no failure
    if succeeded:
        _record_success(counted, job, pod, index, now)
    else:
        _record_failure(counted, job, pod, now)


def _record_success(counted: Tally, job: Obj, pod: Obj, index: int | None, now: datetime) -> None:
    if is_indexed(job):
        completions = job["spec"].get("completions") or 0
        if index is None or index >= completions or index in counted.completed:
            return  # not one of ours to count: another pod completed that index
        counted.completed.add(index)
    counted.uncounted_succeeded.append(pod["metadata"]["uid"])
    counted.new_successes.append(finished_at(pod, now))


def _record_failure(counted: Tally, job: Obj, pod: Obj, now: datetime) -> None:
    verdict = judge(job, pod)
    if verdict.action == "FailJob":
        counted.job_failure = counted.job_failure or verdict.message
    if verdict.action == "Ignore":
        return
    counted.uncounted_failed.append(pod["metadata"]["uid"])
    counted.new_failures.append(finished_at(pod, now))


def _note_index_failure(counted: Tally, job: Obj, pod: Obj, index: int, now: datetime) -> None:
    """Under backoffLimitPerIndex each pod carries how often its index had failed before it."""
    limit = job["spec"].get("backoffLimitPerIndex")
    if limit is None or index >= (job["spec"].get("completions") or 0):
        return
    action = judge(job, pod).action
    failures, ignored = noted(pod, FAILURES), noted(pod, IGNORED_FAILURES)
    failures, ignored = (failures, ignored + 1) if action == "Ignore" else (failures + 1, ignored)
    known = counted.index_failures.get(index, (0, 0, now))
    if failures + ignored >= known[0] + known[1]:
        counted.index_failures[index] = (failures, ignored, finished_at(pod, now))
    if (action == "FailIndex" or failures > limit) and index not in counted.completed:
        counted.failed_indexes.add(index)


def _by_index(counted: Tally) -> tuple[int, list[str]]:
    """With indexes the number of successes is the number of completed indexes, whatever the counters say."""
    pending = counted.uncounted_succeeded
    return max(0, len(counted.completed) - len(pending)), pending
