"""Types of the checker made of OpenAPI schemas: objects with known fields become message types, the rest what CEL has.

What protocol buffers cannot say of a field (lists of lists, values that may be null) is left open.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from pocketkube.api.cel.library.function import AUTHORIZER, OPAQUE, RESOURCE_CHECK

Obj = dict[str, Any]

OPAQUE_TYPE = "x-cel-type"  # in a schema: a type of the library
PLAIN = "x-cel-plain"  # in a schema: its properties are named as they are
OPTIONAL = "x-cel-optional"  # in place of a schema: its values, or none
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_KEYWORDS = frozenset(
    (
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
        "loop", "package", "namespace", "return", "var", "void", "while",
    )
)  # fmt: skip
_SCALARS = {"integer": ("int", 3), "number": ("double", 1), "string": ("string", 9), "boolean": ("bool", 8)}
_TIMES = {"date": "Timestamp", "date-time": "Timestamp", "datetime": "Timestamp", "duration": "Duration"}
_MESSAGE, _BYTES, _OPTIONAL, _REPEATED = 11, 12, 1, 3
_ANY = ".google.protobuf.Value"
_DEEPEST = 24  # of schemas that hold themselves


def escape(name: str) -> str:
    """A property's name as expressions write it: `x-y` is `x__dash__y`, `namespace` is `__namespace__`."""
    if name in _KEYWORDS:
        return f"__{name}__"
    text = name.replace("__", "__underscores__").replace(".", "__dot__")
    return text.replace("-", "__dash__").replace("/", "__slash__")


def is_reachable(name: str) -> bool:
    """Whether expressions can name a property at all."""
    return _IDENTIFIER(escape(name)) is not None


class Types:
    """Message types for one environment: `of` each schema, then the `pool`."""

    def __init__(self) -> None:
        from google.protobuf import descriptor_pb2, duration_pb2, struct_pb2, timestamp_pb2

        self._count = itertools.count()
        self._made: dict[
            int, tuple[str, Obj]
        ] = {}  # id of a schema -> its type; the schema is kept, so that the id is its own
        self._files = []
        self._file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package="schema", syntax="proto2")
        for known in (struct_pb2, timestamp_pb2, duration_pb2):
            described = descriptor_pb2.FileDescriptorProto()
            known.DESCRIPTOR.CopyToProto(described)
            self._files.append(described)
            self._file.dependency.append(described.name)
        for opaque in _opaque_files():
            self._files.append(opaque)
            self._file.dependency.append(opaque.name)

    def pool(self) -> Any:
        from google.protobuf import descriptor_pool

        pool = descriptor_pool.DescriptorPool()
        for described in (*self._files, self._file):
            pool.Add(described)
        return pool

    def of(self, raw: Obj, depth: int = 0) -> str:
        """CEL's type of a schema's values."""
        kind = raw.get("type", "")
        if opaque := raw.get(OPAQUE_TYPE):
            return str(opaque)
        if (inner := raw.get(OPTIONAL)) is not None:
            return f"optional_type<{self.of(inner, depth)}>"
        if raw.get("x-kubernetes-int-or-string") or (raw.get("nullable") and kind != "object") or depth > _DEEPEST:
            return "dyn"
        if kind == "string":
            form = raw.get("format", "")
            return "bytes" if form == "byte" else _TIMES[form].lower() if form in _TIMES else "string"
        if kind in _SCALARS:
            return _SCALARS[kind][0]
        if kind == "array":
            return f"list<{self.of(raw.get('items') or {}, depth + 1)}>"
        return self._object(raw, depth)

    def _object(self, raw: Obj, depth: int) -> str:
        if raw.get("type") != "object":
            return "dyn"
        if isinstance(values := raw.get("additionalProperties"), dict):
            return f"map<string, {self.of(values, depth + 1)}>"
        if (known := self._made.get(id(raw))) is not None:
            return known[0]
        return self._message(raw, depth)

    def _message(self, raw: Obj, depth: int) -> str:
        name = f"T{next(self._count)}"
        self._made[id(raw)] = f"schema.{name}", raw
        message = self._file.message_type.add(name=name)
        if raw.get("x-kubernetes-embedded-resource"):
            raw = with_identity(raw)
        for prop, child in (raw.get("properties") or {}).items():
            if raw.get(PLAIN):
                if _IDENTIFIER(prop):
                    self._field(message, prop, child, depth + 1)
            elif is_reachable(prop):
                self._field(message, escape(prop), child, depth + 1)
        return f"schema.{name}"

    def _field(self, message: Any, name: str, raw: Obj, depth: int) -> None:
        number = len(message.field) + 1
        entry = message.field.add(name=name, number=number, label=_OPTIONAL, json_name=f"f{number}")
        values = raw.get("additionalProperties")
        if raw.get("type") == "array" and not raw.get("nullable"):
            entry.label = _REPEATED
            self._type(entry, raw.get("items") or {}, depth + 1, nested=True)
        elif raw.get("type") == "object" and isinstance(values, dict) and not raw.get("nullable"):
            self._map(message, entry, values, depth + 1)
        else:
            self._type(entry, raw, depth)

    def _map(self, message: Any, entry: Any, values: Obj, depth: int) -> None:
        name = "".join(part[:1].upper() + part[1:] for part in entry.name.split("_")) + "Entry"
        if any(other.name == name for other in message.nested_type):
            entry.type, entry.type_name = _MESSAGE, ".google.protobuf.Struct"
            return
        nested = message.nested_type.add(name=name)
        nested.options.map_entry = True
        nested.field.add(name="key", number=1, label=_OPTIONAL, type=_SCALARS["string"][1])
        self._type(nested.field.add(name="value", number=2, label=_OPTIONAL), values, depth, nested=True)
        entry.label, entry.type, entry.type_name = _REPEATED, _MESSAGE, f".schema.{message.name}.{name}"

    def _type(self, entry: Any, raw: Obj, depth: int, *, nested: bool = False) -> None:
        kind = raw.get("type", "")
        form = raw.get("format", "") if kind == "string" else ""
        holds_more = kind == "array" or (kind == "object" and isinstance(raw.get("additionalProperties"), dict))
        if opaque := raw.get(OPAQUE_TYPE):
            entry.type, entry.type_name = _MESSAGE, f".{opaque}"
        elif (
            raw.get("x-kubernetes-int-or-string")
            or (nested and holds_more)
            or depth > _DEEPEST
            or (raw.get("nullable") and kind != "object")
        ):
            entry.type, entry.type_name = _MESSAGE, _ANY
        elif form in _TIMES:
            entry.type, entry.type_name = _MESSAGE, f".google.protobuf.{_TIMES[form]}"
        elif kind in _SCALARS:
            entry.type = _BYTES if form == "byte" else _SCALARS[kind][1]
        elif kind == "object" and not holds_more:
            entry.type, entry.type_name = _MESSAGE, f".{self._object(raw, depth)}"
        else:
            entry.type, entry.type_name = _MESSAGE, _ANY


def _opaque_files() -> list[Any]:
    """The library's types, in their packages; the authorizer of a request has a field."""
    from google.protobuf import descriptor_pb2

    files: dict[str, Any] = {}
    for name in OPAQUE:
        package, _, simple = name.rpartition(".")
        made = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
        message = files.setdefault(package, made).message_type.add(name=simple)
        if name == AUTHORIZER:
            message.field.add(
                name="requestResource", number=1, label=_OPTIONAL, type=_MESSAGE, type_name=f".{RESOURCE_CHECK}"
            )
    return list(files.values())


def with_identity(raw: Obj) -> Obj:
    """A whole object: its kind, and of its metadata the two names."""
    text = {"type": "string"}
    named = {"type": "object", "properties": {"name": text, "generateName": text}}
    return {
        **raw,
        "properties": {**(raw.get("properties") or {}), "apiVersion": text, "kind": text, "metadata": named},
    }
