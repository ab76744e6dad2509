"""RuntimeClass: which container runtime runs a pod."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.kinds.podspec import requirements, scheduling
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Handler", "What the container runtime calls it."), columns.AGE)


def _validate(obj: Obj) -> Errors:
    handler = obj.get("handler", "")
    wrong = [field.invalid("handler", handler, why) for why in checks.dns_label(handler)]
    if overhead := (obj.get("overhead") or {}).get("podFixed"):
        wrong += requirements.requirements({"limits": overhead}, "overhead.podFixed")
    where = obj.get("scheduling") or {}
    wrong += checks.labels("scheduling.nodeSelector", where.get("nodeSelector"))
    tolerations = where.get("tolerations") or []
    wrong += [
        field.duplicate(f"scheduling.tolerations[{at}]", each)
        for at, each in enumerate(tolerations)
        if each in tolerations[:at]
    ]
    return wrong + scheduling.tolerations(tolerations, "scheduling.tolerations")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("handler", obj.get("handler"), old.get("handler"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("handler", ""), columns.age(obj, now)]


def _warnings(obj: Obj) -> list[str]:
    labels = (obj.get("scheduling") or {}).get("nodeSelector") or {}
    known = podwarnings.DEPRECATED_LABELS
    return [f"scheduling.nodeSelector[{key}]: {known[key]}" for key in sorted(labels) if key in known]


KIND = Kind(
    group="node.k8s.io",
    version="v1",
    kind="RuntimeClass",
    plural="runtimeclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.node.v1.RuntimeClass"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    warnings=_warnings,
    update_warnings=lambda obj, old: _warnings(obj),
    validate=_validate,
    validate_update=_validate_update,
)
