"""StorageVersionMigration: rewrite all objects of a resource in its storage version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, conditions, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Resource", "What is rewritten."), columns.AGE)


def _default(obj: Obj) -> None:
    workload.fill(workload.spec_of(obj), resource={})


def _validate(obj: Obj) -> Errors:
    return (
        []
        if obj["spec"]["resource"].get("resource")
        else [field.required("spec.resource.resource", "resource is required")]
    )


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec.resource", obj["spec"]["resource"], (old.get("spec") or {}).get("resource"))


def _validate_status(obj: Obj, old: Obj) -> Errors:
    """How far it is: the version is set once, an outcome stays, and nothing runs that has one."""
    status, before = obj.get("status") or {}, old.get("status") or {}
    found = status.get("conditions") or []
    revision, path = status.get("resourceVersion") or "", "status.resourceVersion"
    wrong: Errors = []
    if revision and not revision.removeprefix("-").isdecimal():
        why = f'failed to parse resource version "{revision}": strconv.ParseInt: parsing "{revision}": invalid syntax'
        wrong.append(field.invalid(path, revision, why))
    elif revision:
        wrong += checks.not_negative(path, int(revision))
    wrong += conditions.validate(found, "status.conditions")
    if before.get("resourceVersion") and before["resourceVersion"] != revision:
        wrong.append(field.invalid(path, revision, "cannot be updated"))
    true, was = ({c["type"] for c in cs if c.get("status") == "True"} for cs in (found, before.get("conditions") or ()))
    faults = [
        ({"Succeeded", "Failed"} <= true, "Both success and failed conditions cannot be true at the same time"),
        ({"Succeeded", "Running"} <= true, "Running condition cannot be true when success condition is true"),
        ({"Failed", "Running"} <= true, "Running condition cannot be true when failed condition is true"),
        ("Succeeded" in was - true, "Success condition cannot be set to false once it is true"),
        ("Failed" in was - true, "Failed condition cannot be set to false once it is true"),
    ]
    return wrong + [field.invalid("status.conditions", found, why) for broken, why in faults if broken]


def _row(obj: Obj, now: datetime) -> list[Any]:
    resource = (obj.get("spec") or {}).get("resource") or {}
    group = f".{resource['group']}" if resource.get("group") else ""
    return [obj["metadata"]["name"], resource.get("resource", "") + group, columns.age(obj, now)]


KIND = Kind(
    group="storagemigration.k8s.io",
    version="v1",
    kind="StorageVersionMigration",
    plural="storageversionmigrations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storagemigration.v1.StorageVersionMigration"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    resets={"status": ("spec", "metadata")},
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
