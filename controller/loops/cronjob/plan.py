"""What a cron job should do now: which Job to start, which old ones to delete, what to write. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from controller.loops.cronjob import schedule
from controller.ownership import controller_reference
from pocketkube.api.meta import times
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import CRONJOBS

Obj = dict[str, Any]

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MOST_MISSED = 100
_JITTER = 0.1  # seconds past the scheduled time, so that the clock has certainly reached it


@dataclass(slots=True)
class Plan:
    """Events come as (type, reason, message). `replace` are running jobs to delete before `create`."""

    create: Obj | None = None
    replace: list[Obj] = field(default_factory=list)
    prune: list[Obj] = field(default_factory=list)
    status: Obj = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    again: float | None = None


def finished(job: Obj) -> Obj | None:
    """The condition that ended the job."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return dict(condition)
    return None


def plan(cron_job: Obj, jobs: Sequence[Obj], now: datetime) -> Plan:
    """`jobs` are the cron job's own, as the cache knows them."""
    made = Plan(status=dict(cron_job.get("status") or {}))
    _settle(cron_job, jobs, made)
    _prune(cron_job, jobs, made)
    spec = cron_job["spec"]
    if spec.get("suspend") or cron_job["metadata"].get("deletionTimestamp"):
        return made
    try:
        zone = schedule.zone(spec.get("timeZone"))
        due, missed = _due(cron_job, now, zone)
        upcoming = next(schedule.after(spec["schedule"], now, zone), None)
    except schedule.UnknownTimeZone as error:
        made.events.append(("Warning", "UnknownTimeZone", f"invalid timeZone: {spec['timeZone']!r}: {error}"))
        return made
    except schedule.InvalidSchedule as error:
        made.events.append(("Warning", "UnparseableSchedule", f"unparseable schedule: {spec['schedule']!r}: {error}"))
        return made
    if upcoming is not None:
        made.again = (upcoming - now).total_seconds() + _JITTER
    if missed:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        made.events.append(("Warning", "TooManyMissedTimes", text))
    if due is not None:
        _start(cron_job, jobs, due, now, made)
    return made


def _settle(cron_job: Obj, jobs: Sequence[Obj], made: Plan) -> None:
    """status.active loses jobs that ended or vanished, and gains running ones that it does not list."""
    by_uid = {j["metadata"]["uid"]: j for j in jobs}
    active: list[Obj] = []
    for reference in made.status.get("active") or ():
        job = by_uid.get(reference.get("uid"))
        if job is None:
            text = f"Active job went missing: {reference.get('name')}"
            made.events.append(("Normal", "MissingJob", text))
        elif (ended := finished(job)) is None:
            active.append(reference)
        else:
            text = f"Saw completed job: {job['metadata']['name']}, condition: {ended['type']}"
            made.events.append(("Normal", "SawCompletedJob", text))
    listed = {r.get("uid") for r in active}
    for job in jobs:
        if (
            finished(job) is None
            and job["metadata"]["uid"] not in listed
            and not job["metadata"].get("deletionTimestamp")
        ):
            active.append(reference_to(job))
    _put(made.status, "active", active)
    ends = [
        t for j in jobs
        if (c := finished(j)) and c["type"] == "Complete" and (t := (j.get("status") or {}).get("completionTime"))
    ]  # fmt: skip
    if ends and max(ends) > (made.status.get("lastSuccessfulTime") or ""):
        made.status["lastSuccessfulTime"] = max(ends)


def _put(status: Obj, name: str, value: Any) -> None:
    if value:
        status[name] = value
    else:
        status.pop(name, None)


def reference_to(job: Obj) -> Obj:
    metadata = job["metadata"]
    named = {"kind": "Job", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
    return {**named, "apiVersion": "batch/v1", "resourceVersion": metadata.get("resourceVersion", "")}


def _prune(cron_job: Obj, jobs: Sequence[Obj], made: Plan) -> None:
    limits = {"Complete": "successfulJobsHistoryLimit", "Failed": "failedJobsHistoryLimit"}
    for type, name in limits.items():
        limit = cron_job["spec"].get(name)
        if limit is None:
            continue
        ended = [
            j for j in jobs if (c := finished(j)) and c["type"] == type and not j["metadata"].get("deletionTimestamp")
        ]
        ended.sort(key=lambda j: ((j.get("status") or {}).get("startTime") or "", j["metadata"]["name"]))
        made.prune += ended[: max(0, len(ended) - limit)]


def _due(cron_job: Obj, now: datetime, zone: Any) -> tuple[datetime | None, bool]:
    """(the latest scheduled time that is due and not yet served, whether too many were missed)."""
    status, spec = cron_job.get("status") or {}, cron_job["spec"]
    since = times.parse(status.get("lastScheduleTime") or cron_job["metadata"]["creationTimestamp"])
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - timedelta(seconds=deadline))
    if since > now:
        return None, False
    found: list[datetime] = []
    for moment in islice(schedule.after(spec["schedule"], since, zone), _MOST_MISSED + 1):
        if moment > now:
            return (found[-1] if found else None), False
        found.append(moment)
    return _latest(spec["schedule"], now, zone, found[-1]), True


def _latest(text: str, now: datetime, zone: Any, known: datetime) -> datetime:
    """The last scheduled time up to now, searched from ever earlier moments: not every missed one is enumerated."""
    step = timedelta(minutes=1)
    while now - step > known:
        last = None
        for moment in islice(schedule.after(text, now - step, zone), 10_000):
            if moment > now:
                break
            last = moment
        if last is not None:
            return last
        step *= 2
    return known


def _start(cron_job: Obj, jobs: Sequence[Obj], due: datetime, now: datetime, made: Plan) -> None:
    spec = cron_job["spec"]
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and due + timedelta(seconds=deadline) < now:
        text = f"Missed scheduled time to start a job: {due.strftime('%a, %d %b %Y %H:%M:%S +0000')}"
        made.events.append(("Warning", "MissSchedule", text))
        return
    name = f"{cron_job['metadata']['name']}-{int(due.timestamp()) // 60}"
    if any(j["metadata"]["name"] == name for j in jobs) or made.status.get("lastScheduleTime") == rfc3339(due):
        return
    running = [j for j in jobs if finished(j) is None]
    policy = spec.get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and made.status.get("active"):
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        made.events.append(("Normal", "JobAlreadyActive", text))
        return
    if policy == "Replace":
        made.replace = running
        made.status.pop("active", None)
    made.create = new_job(cron_job, name, due)
    made.status["lastScheduleTime"] = rfc3339(due)


def new_job(cron_job: Obj, name: str, due: datetime) -> Obj:
    template = cron_job["spec"]["jobTemplate"]
    wanted = template.get("metadata") or {}
    metadata: Obj = {
        "name": name,
        "namespace": cron_job["metadata"]["namespace"],
        "annotations": {**(wanted.get("annotations") or {}), SCHEDULED_AT: rfc3339(due)},
        "ownerReferences": [controller_reference(cron_job, CRONJOBS)],
    }
    if wanted.get("labels"):
        metadata["labels"] = dict(wanted["labels"])
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
