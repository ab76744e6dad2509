"""Event: what happened to an object. The same store serves events.k8s.io."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Column, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

COLUMNS = (
    columns.text("Last Seen", "How long ago it was seen last."),
    columns.text("Type", "Normal or Warning."),
    columns.text("Reason", "What happened, in one word."),
    columns.text("Object", "What it happened to."),
    columns.text("Subobject", "Which part of the object.", priority=1),
    columns.text("Source", "Who says so.", priority=1),
    columns.text("Message", "What happened, in a sentence."),
    columns.text("First Seen", "How long ago it was seen first.", priority=1),
    columns.text("Count", "How often it was seen.", priority=1),
    Column("Name", format="name", description="The event's own name.", priority=1),
)
_LONGEST = 128
_LONGEST_MESSAGE = 1024
_SAME = ("metadata", "series", "related", "type", "reason", "action", "eventTime", "reportingInstance")
# core field -> events.k8s.io field
RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}


def _default(obj: Obj) -> None:
    """What upstream's encoding always shows, given or not."""
    for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
        obj.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        obj.setdefault(name, "")
    if obj.get("source") is None:
        obj["source"] = {}
    if obj.get("involvedObject") is None:
        obj["involvedObject"] = {}


def _convert(obj: Obj, version: str) -> Obj:
    """From events.k8s.io/v1."""
    if obj.get("apiVersion") == "v1":
        return obj
    new: Obj = {"apiVersion": "v1", "kind": "Event"}
    new |= {name: obj[name] for name in _SAME if name in obj}
    new |= {name: obj[other] for name, other in RENAMED.items() if other in obj}
    _default(new)
    return new


def validate(obj: Obj) -> Errors:
    """An event in the core form; one with an eventTime must say who reports what."""
    namespace = obj["metadata"].get("namespace", "")
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    fault = [field.invalid("involvedObject.namespace", about, "does not match event.namespace")]
    if obj.get("eventTime"):
        # Who reports in the newer way may do so from another namespace, but for objects without one.
        return (fault if not about and namespace not in ("default", "kube-system") else []) + _reported(obj)
    return fault if namespace != about and not (not about and namespace in ("", "default")) else []


def _reported(obj: Obj) -> Errors:
    wrong: Errors = []
    controller = obj.get("reportingComponent") or ""
    if not controller:
        wrong.append(field.required("reportingController"))
    wrong += [
        field.invalid("reportingController", controller, why) for why in checks.qualified(controller) if controller
    ]
    for name in ("reportingInstance", "action", "reason"):
        value = obj.get(name) or ""
        if not value:
            wrong.append(field.required(name))
        elif len(value) > _LONGEST:
            wrong.append(field.invalid(name, "", f"can have at most {_LONGEST} characters"))
    if len(obj.get("message") or "") > _LONGEST_MESSAGE:
        wrong.append(field.invalid("message", "", f"can have at most {_LONGEST_MESSAGE} characters"))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return validate(obj)


def _seen(obj: Obj, now: datetime) -> tuple[str, str, int]:
    """First seen, last seen, how often."""
    first = columns.since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = columns.since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    if series := obj.get("series"):
        return first, columns.since(series.get("lastObservedTime"), now), series.get("count", 0)
    return first, last, obj.get("count") or 1


def _source(obj: Obj) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def row(obj: Obj, now: datetime) -> list[Any]:
    first, last, count = _seen(obj, now)
    about = obj.get("involvedObject") or {}
    kind, name = about.get("kind", "").lower(), about.get("name")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        about.get("fieldPath", ""),
        _source(obj),
        (obj.get("message") or "").strip(),
        first,
        count,
        obj["metadata"]["name"],
    ]


def _about(name: str) -> Callable[[Obj], str]:
    return lambda obj: str((obj.get("involvedObject") or {}).get(name) or "")


def _own(name: str) -> Callable[[Obj], str]:
    return lambda obj: str(obj.get(name) or "")


_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_SELECTABLE: dict[str, Callable[[Obj], str]] = {f"involvedObject.{name}": _about(name) for name in _ABOUT}
_SELECTABLE |= {name: _own(name) for name in ("reason", "type", "reportingComponent")}
_SELECTABLE["source"] = lambda obj: str(
    (obj.get("source") or {}).get("component") or obj.get("reportingComponent") or ""
)


KIND = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    validates_name_as="path-segment",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Event"),
    short_names=("ev",),
    cohabits=(("events.k8s.io", "v1"),),
    priority=10,
    has_generation=False,
    create_on_update=True,
    columns=COLUMNS,
    row=row,
    selectable=_SELECTABLE,
    default=_default,
    validate=validate,
    validate_update=_validate_update,
    convert=_convert,
    has_dependents=False,
)
