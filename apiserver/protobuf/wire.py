"""The protobuf form of an object as JSON would have it: bytes and a definition's name in, a dict out.

`fields.json`, and `extensions.json` for what extends the API, have for each message and field number the JSON name and the
type: string, bytes, bool, int, float, double, or another message; `*` before it is a list, `{` a map by string, `!` keeps
zero values. A field without a name is inlined.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from pocketkube.api.meta import times
from pocketkube.api.meta.errors import BadRequest

Obj = dict[str, Any]

MAGIC = b"k8s\x00"
_DEPTH = 100
_NO_FIELDS: dict[int, tuple[str, str]] = {}
_WRONG = (
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    OSError,
    struct.error,
)  # the last but one: a moment that no clock shows
_META = "io.k8s.apimachinery.pkg."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_REMOVED = (
    "io.k8s.api.policy.v1beta1.PodDisruptionBudget",
    "io.k8s.api.batch.v1beta1.CronJob",
    "io.k8s.api.discovery.v1beta1.EndpointSlice",
    "io.k8s.api.discovery.v1beta1.Endpoint",
)


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[int, tuple[str, str]]]:
    folder = Path(__file__).parent
    raw = orjson.loads((folder / "fields.json").read_bytes()) | orjson.loads((folder / "extensions.json").read_bytes())
    table = {name: {int(n): (field[0], field[1]) for n, field in fields.items()} for name, fields in raw.items()}
    return table | _removed(table)


def _removed(table: dict[str, dict[int, tuple[str, str]]]) -> dict[str, dict[int, tuple[str, str]]]:
    """The messages of versions that are served beside their v1: the same numbers, but for what an endpoint's were once."""
    found = {name: table[name.replace(".v1beta1.", ".v1.")] for name in _REMOVED}
    slices, endpoint = (f"io.k8s.api.discovery.v1beta1.{kind}" for kind in ("EndpointSlice", "Endpoint"))
    old = {n: field for n, field in found[endpoint].items() if field[0] != "zone"}
    topology = next(n for n, field in old.items() if field[0] == "deprecatedTopology")
    found[endpoint] = {**old, topology: ("topology", old[topology][1])}
    found[slices] = {
        n: (name, kind.replace(".v1.", ".v1beta1.")) if name == "endpoints" else (name, kind)
        for n, (name, kind) in found[slices].items()
    }
    return found


def known(definition: str) -> bool:
    """Whether messages of that definition can be read."""
    return definition in _table()


def decode(body: bytes, definition: str) -> Obj:
    """The object of an enveloped body, with the kind and apiVersion that the envelope states. Raises BadRequest."""
    if not body.startswith(MAGIC):
        raise BadRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(body[len(MAGIC) :]))
        type_meta = dict(_fields(envelope.get(1, b"")))
        obj = {"apiVersion": _text(type_meta.get(1, b"")), "kind": _text(type_meta.get(2, b""))}
        return obj | _message(envelope.get(2, b""), definition, 0)
    except _WRONG as wrong:
        raise BadRequest(f"proto: cannot parse the message: {wrong}") from None


def type_of(body: bytes) -> tuple[str, str]:
    """(apiVersion, kind) that the envelope states. Raises BadRequest."""
    try:
        type_meta = dict(_fields(dict(_fields(body[len(MAGIC) :])).get(1, b"")))
        return _text(type_meta.get(1, b"")), _text(type_meta.get(2, b""))
    except _WRONG as wrong:
        raise BadRequest(f"proto: cannot parse the message: {wrong}") from None


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field: bytes, or an unsigned integer. Raises ValueError, IndexError where it is cut off."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        length = {1: 8, 5: 4}.get(wire, -1)
        if wire == 2:
            length, at = _varint(data, at)
        if length < 0 or at + length > end:
            raise ValueError("unexpected end" if length >= 0 else f"wire type {wire}")
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _message(data: bytes, definition: str, depth: int) -> Obj:
    if depth > _DEPTH:
        raise ValueError("too deep")
    fields = _table().get(definition, _NO_FIELDS)  # what has none is in no table
    obj: Obj = {}
    for number, raw in _fields(data):
        field = fields.get(number)
        if field is None:
            continue
        name, kind = field
        if not name:
            obj |= _message(raw, kind, depth + 1)
            continue
        kept = kind[0] == "!"
        kind = kind[1:] if kept else kind
        if kind[0] == "*":
            obj.setdefault(name, []).extend(_items(raw, kind[1:], depth))
        elif kind[0] == "{":
            obj.setdefault(name, {}).update(_pair(raw, kind[1:], depth))
        else:
            value = _value(raw, kind, depth)
            if value is not None and (kept or value not in ("", 0, {})):
                obj[name] = value
    return obj


def _items(raw: Any, kind: str, depth: int) -> list[Any]:
    """One more item; numbers may come packed."""
    if kind == "int" and isinstance(raw, bytes):
        items, at = [], 0
        while at < len(raw):
            value, at = _varint(raw, at)
            items.append(_signed(value))
        return items
    return [_value(raw, kind, depth)]


def _pair(raw: bytes, kind: str, depth: int) -> Obj:
    entry = dict(_fields(raw))
    value = entry.get(2, b"")
    if kind[0] == "*":  # a list in a map travels as a message of its own
        return {_text(entry.get(1, b"")): [_value(item, kind[1:], depth) for _, item in _fields(value)]}
    return {_text(entry.get(1, b"")): _value(value, kind, depth)}


def _value(raw: Any, kind: str, depth: int) -> Any:
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar(raw)
    if kind in _CHOICES:
        return _choice(raw, kind, depth)
    return _message(raw, kind, depth + 1)


def _choice(raw: bytes, kind: str, depth: int) -> Any:
    """What is a schema or something else in JSON: a bool, schemas, names."""
    of_schema, of_other, other = _CHOICES[kind]
    schema, others = None, []
    for number, value in _fields(raw):
        if number == of_schema:
            schema = _message(value, _SCHEMA, depth + 1)
        elif number == of_other:
            others.append(_value(value, other, depth))
    if other == "bool":
        return schema if schema is not None else any(others)
    return others if others or schema is None else schema


def _text(raw: Any) -> str:
    if not isinstance(raw, bytes):  # a number: bytes(raw) would be as many zeros
        raise ValueError("a number where bytes belong")
    return raw.decode()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _moment(raw: bytes) -> tuple[int, int]:
    found = dict(_fields(raw))
    return _signed(found.get(1, 0)), _signed(found.get(2, 0))


def _time(raw: bytes) -> str | None:
    seconds, nanos = _moment(raw)
    return times.rfc3339(datetime.fromtimestamp(seconds, UTC)) if seconds or nanos else None


def _micro_time(raw: bytes) -> str | None:
    seconds, nanos = _moment(raw)
    return (
        times.micro(datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000))
        if seconds or nanos
        else None
    )


def _quantity(raw: bytes) -> str:
    return _text(dict(_fields(raw)).get(1, b"0"))


def _int_or_string(raw: bytes) -> int | str:
    found = dict(_fields(raw))
    if found.get(1):
        return _text(found.get(3, b""))
    return _signed(found.get(2, 0))


def _duration(raw: bytes) -> str:
    return f"{_signed(dict(_fields(raw)).get(1, 0)) / 1e9:g}s"


def _double(raw: bytes) -> float:
    """As Go writes it in JSON: what is whole has no point."""
    (value,) = struct.unpack("<d", raw)
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _embedded(raw: bytes) -> Any:
    """JSON inside of a message: RawExtension, FieldsV1, a schema's defaults."""
    data = dict(_fields(raw)).get(1, b"")
    return orjson.loads(data) if data else None


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "bytes": _bytes,
    "bool": bool,
    "int": _signed,
    "float": lambda raw: struct.unpack("<f", raw)[0],
    "double": _double,
    _META + "apis.meta.v1.Time": _time,
    _META + "apis.meta.v1.MicroTime": _micro_time,
    _META + "apis.meta.v1.Duration": _duration,
    _META + "apis.meta.v1.FieldsV1": _embedded,
    _META + "api.resource.Quantity": _quantity,
    _META + "util.intstr.IntOrString": _int_or_string,
    _META + "runtime.RawExtension": _embedded,
    _EXTENSIONS + "JSON": _embedded,
}

_SCHEMA = _EXTENSIONS + "JSONSchemaProps"

# The numbers of the schema and of what may stand instead, and its type.
_CHOICES = {
    _SCHEMA + "OrBool": (2, 1, "bool"),
    _SCHEMA + "OrArray": (1, 2, _SCHEMA),
    _SCHEMA + "OrStringArray": (1, 2, "string"),
}
