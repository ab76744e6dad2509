"""CronJob: Jobs by a schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, cron, workload
from pocketkube.api.kinds.batch import job
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Schedule", "When jobs are started."),
    columns.text("Timezone", "Whose clock the schedule means."),
    columns.boolean("Suspend", "Whether no more jobs are started."),
    columns.number("Active", "How many jobs run."),
    columns.text("Last Schedule", "How long ago a job was started."),
    columns.AGE,
    columns.CONTAINERS,
    columns.IMAGES,
    columns.SELECTOR,
)
_POLICIES = ["Allow", "Forbid", "Replace"]
_LONGEST_NAME = 52  # jobs append 11 characters, and their names become labels of 63


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    workload.fill(spec, suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    template = spec.setdefault("jobTemplate", {})
    workload.fill(template, metadata={}, spec={})
    job.default_template(template["spec"])


def _validate(obj: Obj) -> Errors:
    name = obj["metadata"].get("name", "")
    wrong: Errors = []
    if len(name) > _LONGEST_NAME:
        wrong.append(field.invalid("metadata.name", name, f"must be no more than {_LONGEST_NAME} characters"))
    return wrong + _spec(obj["spec"])


def _spec(spec: Obj) -> Errors:
    wrong = _schedule(spec.get("schedule", ""), spec.get("timeZone"))
    wrong += checks.not_negative_fields(
        "spec", spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    wrong += checks.one_of("spec.concurrencyPolicy", spec["concurrencyPolicy"], _POLICIES)
    if spec.get("timeZone") is not None:
        wrong += _time_zone(spec["timeZone"])
    inner, path = spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"
    wrong += job.validate_spec(inner, path)
    if inner.get("selector") is not None:
        wrong.append(field.invalid(f"{path}.selector", inner["selector"], "`selector` will be auto-generated"))
    if inner.get("manualSelector"):
        wrong.append(field.not_supported(f"{path}.manualSelector", True, ["nil", "false"]))
    return wrong


def _schedule(schedule: str, zone: str | None) -> Errors:
    if not schedule:
        return [field.required("spec.schedule")]
    if "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        return [field.invalid("spec.schedule", schedule, why)]
    fault = cron.fault(schedule)
    return [field.invalid("spec.schedule", schedule, fault)] if fault else []


def _time_zone(zone: str) -> Errors:
    from zoneinfo import ZoneInfo

    if not zone:
        return [field.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        return [
            field.invalid(
                "spec.timeZone",
                zone,
                "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
            )
        ]
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return [field.invalid("spec.timeZone", zone, f"unknown time zone {zone}")]
    return []


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _spec(obj["spec"])


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    last = status.get("lastScheduleTime")
    inner = spec["jobTemplate"]["spec"]
    return [
        obj["metadata"]["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or columns.NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        columns.since(last, now) if last else columns.NONE,
        columns.age(obj, now),
        *columns.containers((inner.get("template") or {}).get("spec")),
        columns.NONE,
    ]


def _warnings(obj: Obj) -> list[str]:
    found = obj["spec"]["jobTemplate"]["spec"].get("template") or {}
    where = "spec.jobTemplate.spec.template"
    return podwarnings.of(found.get("spec") or {}, found.get("metadata") or {}, where)


def _update_warnings(obj: Obj, old: Obj) -> list[str]:
    return [] if obj["metadata"].get("generation") == old["metadata"].get("generation") else _warnings(obj)


KIND = Kind(
    group="batch",
    version="v1",
    kind="CronJob",
    plural="cronjobs",
    namespaced=True,
    schema=Schema.of("io.k8s.api.batch.v1.CronJob"),
    short_names=("cj",),
    categories=("all",),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    warnings=_warnings,
    update_warnings=_update_warnings,
    validate=_validate,
    validate_update=_validate_update,
)
