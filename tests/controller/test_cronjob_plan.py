"""Cron jobs: when they start, what concurrency and deadlines allow, what history keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.loops import ttl_after_finished
from controller.loops.cronjob import schedule
from controller.loops.cronjob.plan import plan, reference_to
from tests.controller.cluster_objects import uid

Obj = dict[str, Any]

NOW = datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC)


def cron_job(
    text: str = "0 * * * *", *, last: str = "2026-11-21T09:00:00Z", active: list[Obj] | None = None, **spec: Any
) -> Obj:
    metadata = {"name": "tick", "namespace": "default", "uid": "cron", "creationTimestamp": "2026-11-20T00:00:00Z"}
    body = {"schedule": text, "jobTemplate": {"spec": {"template": {}}}, "concurrencyPolicy": "Allow", **spec}
    return {"metadata": metadata, "spec": body, "status": {"lastScheduleTime": last, "active": active or []}}


def job(name: str, end: str = "", *, at: str = "2026-11-21T09:00:00Z") -> Obj:
    metadata = {"name": name, "namespace": "default", "uid": uid(), "resourceVersion": "1"}
    conditions = [{"type": end, "status": "True", "lastTransitionTime": at}] if end else []
    status = {"conditions": conditions, "startTime": at, **({"completionTime": at} if end == "Complete" else {})}
    return {"metadata": metadata, "spec": {}, "status": status}


def test_a_due_job_starts() -> None:
    decided = plan(cron_job(), [], NOW)
    assert decided.create is not None
    assert decided.create["metadata"]["name"] == f"tick-{int(datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()) // 60}"
    assert decided.create["metadata"]["annotations"] == {
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-21T10:00:00Z"
    }
    assert decided.status["lastScheduleTime"] == "2026-11-21T10:00:00Z"
    assert decided.again == pytest.approx(3600 - 30, abs=1)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(cron_job(last="2026-11-21T10:00:00Z"), "", id="served already"),
        pytest.param(cron_job(suspend=True), "", id="suspended"),
        pytest.param(cron_job(startingDeadlineSeconds=10), "", id="past the deadline"),
        pytest.param(cron_job("nonsense"), "UnparseableSchedule", id="no schedule"),
        pytest.param(cron_job(timeZone="Mars/Olympus"), "UnknownTimeZone", id="no such zone"),
    ],
)
def test_nothing_starts(found: Obj, reason: str) -> None:
    decided = plan(found, [], NOW)
    assert decided.create is None
    assert [r for _, r, _ in decided.events] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("policy", "starts", "replaced"),
    [
        pytest.param("Allow", True, 0, id="allow"),
        pytest.param("Forbid", False, 0, id="forbid"),
        pytest.param("Replace", True, 1, id="replace"),
    ],
)
def test_concurrency(policy: str, starts: bool, replaced: int) -> None:
    running = job("tick-1")
    found = cron_job(active=[reference_to(running)], concurrencyPolicy=policy)
    decided = plan(found, [running], NOW)
    assert (decided.create is not None, len(decided.replace)) == (starts, replaced)
    assert ("JobAlreadyActive" in [r for _, r, _ in decided.events]) == (not starts)


def test_many_missed_starts_become_one() -> None:
    decided = plan(cron_job("* * * * *", last="2026-11-20T00:00:00Z"), [], NOW)
    assert [r for _, r, _ in decided.events] == ["TooManyMissedTimes"]
    assert decided.status["lastScheduleTime"] == "2026-11-21T10:00:00Z"


def test_ended_jobs_leave_active_and_old_ones_the_history() -> None:
    ended = [job(f"tick-{n}", "Complete", at=f"2026-11-21T0{n}:00:00Z") for n in range(5)] + [job("tick-9", "Failed")]
    found = cron_job(
        active=[reference_to(ended[4]), {"name": "lost", "uid": "lost"}],
        last="2026-11-21T10:00:00Z",
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    decided = plan(found, ended, NOW)
    assert "active" not in decided.status
    assert decided.status["lastSuccessfulTime"] == "2026-11-21T04:00:00Z"
    assert [j["metadata"]["name"] for j in decided.prune] == ["tick-0", "tick-1"]
    assert [(r, m) for _, r, m in decided.events] == [
        ("SawCompletedJob", "Saw completed job: tick-4, condition: Complete"),
        ("MissingJob", "Active job went missing: lost"),
    ]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("*/15 * * * *", None, ["2026-11-21T10:15", "2026-11-21T10:30"]),
        ("@daily", None, ["2026-11-22T00:00", "2026-11-23T00:00"]),
        ("@every 90m", None, ["2026-11-21T11:30", "2026-11-21T13:00"]),
        ("0 9 * * MON", "Europe/Berlin", ["2026-11-23T08:00", "2026-11-30T08:00"]),
        ("0 0 ? * *", None, ["2026-11-22T00:00", "2026-11-23T00:00"]),
    ],
)
def test_schedules(text: str, zone: str | None, expected: list[str]) -> None:
    found = islice(schedule.after(text, NOW, schedule.zone(zone)), 2)
    assert [t.strftime("%Y-%m-%dT%H:%M") for t in found] == expected


@given(st.integers(0, 3 * 24 * 60), st.sampled_from(["* * * * *", "*/7 * * * *", "5 3 * * *", "@hourly"]))
def test_a_start_is_never_early_and_never_repeated(minutes: int, text: str) -> None:
    last = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
    now = last + timedelta(minutes=minutes, seconds=17)
    decided = plan(cron_job(text, last=last.strftime("%Y-%m-%dT%H:%M:%SZ")), [], now)
    if decided.create is not None:
        started = datetime.fromisoformat(decided.status["lastScheduleTime"])
        assert last < started <= now
        assert plan(cron_job(text, last=decided.status["lastScheduleTime"]), [], now).create is None


def test_ttl_counts_from_the_end() -> None:
    ended = job("done", "Complete", at="2026-11-21T10:00:00Z")
    ended["spec"]["ttlSecondsAfterFinished"] = 60
    assert ttl_after_finished.expires_in(ended, NOW) == 30
    assert ttl_after_finished.expires_in(job("running"), NOW) is None
