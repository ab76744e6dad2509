"""Event in the newer form: a view of the core group's events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core import event as core
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_FIXED = ("reportingController", "reportingInstance", "action", "reason", "regarding", "related", "note", "type")
_NEW = {new: old for old, new in core.RENAMED.items()}


def _default(obj: Obj) -> None:
    obj.setdefault("eventTime", None)
    for name in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp"):
        obj.setdefault(name, None)
    for name in ("deprecatedSource", "regarding"):
        if obj.get(name) is None:
            obj[name] = {}


def _convert(obj: Obj, version: str) -> Obj:
    """From the core form."""
    if obj.get("apiVersion") == "events.k8s.io/v1":
        return obj
    new: Obj = {"apiVersion": "events.k8s.io/v1", "kind": "Event"}
    for name, value in obj.items():
        if name not in ("apiVersion", "kind"):
            new[core.RENAMED.get(name, name)] = value
    _default(new)
    return new


def _validate(obj: Obj) -> Errors:
    wrong: Errors = []
    if not obj.get("eventTime"):
        wrong.append(field.required("eventTime"))
    if obj.get("type") not in ("Normal", "Warning"):
        wrong.append(field.invalid("type", "", "has invalid value: " + str(obj.get("type", ""))))
    for name in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"):
        if obj.get(name):
            shown = _NEW[name]
            wrong.append(field.invalid(shown, "", "needs to be unset"))
    return wrong + core.validate(core.KIND.convert(obj, "v1") if core.KIND.convert else obj)


def _validate_update(obj: Obj, old: Obj) -> Errors:
    wrong: Errors = []
    for name in _FIXED:
        wrong += checks.immutable(name, obj.get(name), old.get(name))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    return core.row(core.KIND.convert(obj, "v1") if core.KIND.convert else obj, now)


def _selectable() -> tuple[dict[str, Callable[[Obj], str]], dict[str, str]]:
    """(this version's selectable fields, what the core form calls each): one index serves both views."""
    selectable, labels = {}, {}
    for label, value in core.KIND.selectable.items():
        head, dot, rest = label.partition(".")
        renamed = core.RENAMED.get(head, head) + dot + rest
        labels[renamed] = label
        selectable[renamed] = value
    return selectable, labels


_SELECTABLE, _FIELD_LABELS = _selectable()


KIND = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    namespaced=True,
    schema=Schema.of("io.k8s.api.events.v1.Event"),
    short_names=("ev",),
    priority=10,
    has_generation=False,
    storage_prefix="events",
    storage_version="core/v1",
    cohabits=(("", "v1"),),
    create_on_update=True,
    columns=core.COLUMNS,
    row=_row,
    selectable=_SELECTABLE,
    field_labels=_FIELD_LABELS,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
    convert=_convert,
    has_dependents=False,
)
