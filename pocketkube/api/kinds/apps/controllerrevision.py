"""ControllerRevision: a past state of a StatefulSet or DaemonSet; its data never changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Controller", "Whose state it is."),
    columns.text("Revision", "Which state it is."),
    columns.AGE,
)


def _validate(obj: Obj) -> Errors:
    wrong: Errors = [] if obj.get("data") is not None else [field.required("data", "data is mandatory")]
    return wrong + checks.not_negative("revision", obj.get("revision"))


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("data", obj.get("data"), old.get("data"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    owner = next((o for o in obj["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    return [obj["metadata"]["name"], _shown(owner), obj.get("revision", 0), columns.age(obj, now)]


def _shown(owner: Obj | None) -> str:
    """`statefulset.apps/web`."""
    if owner is None:
        return columns.NONE
    group, slash, _ = owner.get("apiVersion", "").rpartition("/")
    return f"{owner.get('kind', '').lower()}{'.' + group if slash else ''}/{owner.get('name', '')}"


KIND = Kind(
    group="apps",
    version="v1",
    kind="ControllerRevision",
    plural="controllerrevisions",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.ControllerRevision"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
)
