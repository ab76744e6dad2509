"""PriorityClass: how important pods are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns
from pocketkube.api.kinds.checks import Errors, one_of
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

HIGHEST_USER = 1_000_000_000
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_COLUMNS = (
    columns.NAME,
    columns.number("Value", "How important; more is higher."),
    columns.boolean("Global-Default", "Whether pods without a class have this one."),
    columns.AGE,
    columns.text("PreemptionPolicy", "Whether its pods push others away."),
)
_FIXED = "may not be changed in an update."


def _default(obj: Obj) -> None:
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"
    obj.setdefault("value", 0)


def _validate(obj: Obj) -> Errors:
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    wrong: Errors = []
    if name.startswith("system-"):
        if SYSTEM.get(name) != value:
            why = "priority class names with 'system-' prefix are reserved for system use only"
            wrong.append(field.forbidden("metadata.name", why))
    elif value > HIGHEST_USER:
        why = f"maximum allowed value of a user defined priority is {HIGHEST_USER}"
        wrong.append(field.forbidden("value", why))
    return wrong + one_of("preemptionPolicy", obj["preemptionPolicy"], ["PreemptLowerPriority", "Never"])


def _validate_update(obj: Obj, old: Obj) -> Errors:
    wrong: Errors = []
    if obj.get("value", 0) != old.get("value", 0):
        wrong.append(field.forbidden("value", _FIXED))
    if obj["preemptionPolicy"] != old.get("preemptionPolicy"):
        wrong.append(field.invalid("preemptionPolicy", obj["preemptionPolicy"], "field is immutable"))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    default, policy = bool(obj.get("globalDefault")), obj.get("preemptionPolicy", "")
    return [obj["metadata"]["name"], obj.get("value", 0), default, columns.age(obj, now), policy]


KIND = Kind(
    group="scheduling.k8s.io",
    version="v1",
    kind="PriorityClass",
    plural="priorityclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.scheduling.v1.PriorityClass"),
    short_names=("pc",),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
)
