"""An OpenAPI v2 document as the protobuf message that Go clients read: gnostic's `openapi.v2.Document`, written field by field."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import orjson

Obj = dict[str, Any]
Writer = Callable[[int, Any], bytes]  # field number, value -> tagged bytes


def encode(document: Obj) -> bytes:
    """The bytes of a v2 document as `documents.py` makes it."""
    parts = [
        _text(1, document["swagger"]),
        _bytes(2, _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])),
        _bytes(8, b"".join(_named(2, path, _path(item)) for path, item in document["paths"].items())),
        _bytes(9, b"".join(_named(1, name, _schema(s)) for name, s in document["definitions"].items())),
    ]
    return b"".join(parts)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode()) if value else b""


def _flag(number: int, value: bool) -> bytes:
    return _varint(number << 3) + b"\x01" if value else b""


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _named(number: int, name: str, value: bytes) -> bytes:
    """A pair of a name and a message."""
    return _bytes(number, _text(1, name) + _bytes(2, value))


def _any(value: Any) -> bytes:
    """A free value travels as YAML, of which JSON is a part."""
    return _text(2, orjson.dumps(value).decode() + "\n")


def _extensions(number: int, value: Mapping[str, Any]) -> bytes:
    return b"".join(_named(number, name, _any(item)) for name, item in value.items() if name.startswith("x-"))


def _additional(number: int, value: Any) -> bytes:
    inner = _bytes(1, _schema(value)) if isinstance(value, dict) else _flag(2, bool(value))
    return _bytes(number, inner)


def _type(number: int, value: Any) -> bytes:
    return _bytes(number, b"".join(_text(1, name) for name in ([value] if isinstance(value, str) else value)))


def _texts(number: int, values: list[str]) -> bytes:
    return b"".join(_text(number, value) for value in values)


def _properties(number: int, values: Mapping[str, Obj]) -> bytes:
    return _bytes(number, b"".join(_named(1, name, _schema(value)) for name, value in values.items()))


_SCHEMA: Mapping[str, tuple[int, Writer]] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, lambda number, value: _bytes(number, _any(value))),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _flag),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _flag),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _text),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, _flag),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _texts),
    "enum": (20, lambda number, values: b"".join(_bytes(number, _any(value)) for value in values)),
    "additionalProperties": (21, _additional),
    "type": (22, _type),
    "items": (23, lambda number, value: _bytes(number, _bytes(1, _schema(value)))),
    "properties": (25, _properties),
}


def _schema(schema: Obj) -> bytes:
    parts = [_SCHEMA[name][1](_SCHEMA[name][0], value) for name, value in schema.items() if name in _SCHEMA]
    return b"".join((*parts, _extensions(31, schema)))


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _path(item: Obj) -> bytes:
    return b"".join(_bytes(_METHODS[method], _operation(operation)) for method, operation in item.items())


def _operation(operation: Obj) -> bytes:
    parts = [
        _text(5, operation["operationId"]),
        _texts(6, operation["produces"]),
        _texts(7, operation["consumes"]),
        *(_bytes(8, _bytes(1, _parameter(p))) for p in operation["parameters"]),
        _bytes(9, b"".join(_response(code, r) for code, r in operation["responses"].items())),
        _texts(10, operation["schemes"]),
        _extensions(13, operation),
    ]
    return b"".join(parts)


def _parameter(parameter: Obj) -> bytes:
    name = parameter["name"]
    if parameter["in"] == "body":
        body = _text(2, name) + _text(3, "body") + _flag(4, parameter.get("required", False))
        return _bytes(1, body + _bytes(5, _schema(parameter["schema"])))
    place, kind = (4, 5) if parameter["in"] == "path" else (3, 6)
    required = _flag(1, parameter.get("required", False))
    inner = required + _text(2, parameter["in"]) + _text(4, name) + _text(kind, parameter["type"])
    return _bytes(2, _bytes(place, inner))


def _response(code: str, response: Obj) -> bytes:
    inner = _text(1, response["description"])
    if "schema" in response:
        inner += _bytes(2, _bytes(1, _schema(response["schema"])))
    return _named(1, code, _bytes(1, inner))
