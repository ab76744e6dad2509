"""VolumeAttributesClass: changeable properties of volumes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("DriverName", "Which driver it is for."), columns.AGE)


def _validate(obj: Obj) -> Errors:
    driver = obj.get("driverName") or ""
    wrong = (
        checks.named("driverName", driver.lower(), names.is_qualified_name)
        if driver
        else [field.required("driverName")]
    )
    return (
        wrong
        if obj.get("parameters")
        else [*wrong, field.required("parameters", "must contain at least one key/value pair")]
    )


def _validate_update(obj: Obj, old: Obj) -> Errors:
    fixed = ("driverName", "parameters")
    return [
        field.forbidden(name, f"updates to {name} are forbidden.") for name in fixed if obj.get(name) != old.get(name)
    ]


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("driverName", ""), columns.age(obj, now)]


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttributesClass",
    plural="volumeattributesclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.VolumeAttributesClass"),
    short_names=("vac",),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
)
