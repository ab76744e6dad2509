"""StorageVersionMigration: rewrite all objects of a resource in its storage version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
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
)
