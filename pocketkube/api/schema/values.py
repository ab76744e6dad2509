"""What an expression sees of a custom resource: JSON, with times and durations as such, and names that it can write."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from pocketkube.api.cel.schematypes import escape
from pocketkube.api.meta import times

Obj = dict[str, Any]
Reader = Callable[[Any], Any]

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_TERM = re.compile(r"([0-9]*\.?[0-9]+)\s*(ns|us|µs|μs|ms|s|m|h|d|w)")


def reader(raw: Obj) -> Reader:
    """The function from JSON to what an expression sees; most values are taken as they are."""
    return _reader(raw) or _as_is


def _as_is(value: Any) -> Any:
    return value


def _reader(raw: Obj) -> Reader | None:
    """None where nothing below has to be changed."""
    kind = raw.get("type")
    if kind == "string":
        return _STRINGS.get(raw.get("format", ""))
    if kind == "number":
        return _number
    if kind == "array" and isinstance(raw.get("items"), dict):
        return _list(_reader(raw["items"]))
    if kind == "object" or raw.get("properties"):
        extra = raw.get("additionalProperties")
        if isinstance(extra, dict):
            return _map(_reader(extra))
        return _object(raw.get("properties") or {})
    return None


def _list(item: Reader | None) -> Reader | None:
    if item is None:
        return None
    return lambda value: [item(part) for part in value] if type(value) is list else value


def _map(item: Reader | None) -> Reader | None:
    if item is None:
        return None
    return lambda value: {key: item(part) for key, part in value.items()} if type(value) is dict else value


def _object(properties: dict[str, Obj]) -> Reader | None:
    readers = {name: found for name, child in properties.items() if (found := _reader(child))}
    renamed = {name: escape(name) for name in properties if escape(name) != name}
    if not readers and not renamed:
        return None

    def read(value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {renamed.get(k, k): readers[k](part) if k in readers else part for k, part in value.items()}

    return read


def _number(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _time(value: Any) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    try:
        found = times.parse(value if "T" in value or "t" in value else f"{value}T00:00:00Z")
    except (ValueError, TypeError):
        return value
    made = Timestamp()
    made.FromDatetime(found)
    return made


def _duration(value: Any) -> Any:
    from google.protobuf.duration_pb2 import Duration

    if type(value) is not str:
        return value
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _TERM.findall(value))
    made = Duration()
    made.FromNanoseconds(round(seconds * 1e9) * (-1 if value.startswith("-") else 1))
    return made


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        return value


_STRINGS: dict[str, Reader] = {
    "date": _time, "date-time": _time, "datetime": _time, "duration": _duration, "byte": _bytes,
}  # fmt: skip
