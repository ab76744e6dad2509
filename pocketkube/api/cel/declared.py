"""Expressions checked against a schema: `self` and `oldSelf` are declared as message types made of it.

Evaluation itself needs no types, so a program runs without them; what is made here only finds mistakes and is forgotten.
What protocol buffers cannot say (lists of lists, values that may be null) is left open.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from pocketkube.api.cel import CompileError, extensions

Obj = dict[str, Any]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_KEYWORDS = frozenset(
    (
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
        "loop", "package", "namespace", "return", "var", "void", "while",
    )
)  # fmt: skip
_SCALARS = {"integer": 3, "number": 1, "string": 9, "boolean": 8}
_STRING_TYPES = {"byte": 12}
_TIMES = {"date": "Timestamp", "date-time": "Timestamp", "datetime": "Timestamp", "duration": "Duration"}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3
_ANY = ".google.protobuf.Value"
_TEXT: Obj = {"type": "string"}


def escape(name: str) -> str:
    """A property's name as expressions write it: `x-y` is `x__dash__y`, `namespace` is `__namespace__`."""
    if name in _KEYWORDS:
        return f"__{name}__"
    text = name.replace("__", "__underscores__").replace(".", "__dot__")
    return text.replace("-", "__dash__").replace("/", "__slash__")


def is_reachable(name: str) -> bool:
    """Whether expressions can name a property at all."""
    return _IDENTIFIER(escape(name)) is not None


class Declared:
    """The types of one schema node; `check` as many expressions as it has."""

    def __init__(self, raw: Obj, *, root: bool = False):
        from cel_expr_python import cel
        from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

        self._count = itertools.count()
        self._file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package="schema", syntax="proto2")
        self._pool = descriptor_pool.DescriptorPool()
        for known in (struct_pb2, timestamp_pb2, duration_pb2):
            described = descriptor_pb2.FileDescriptorProto()
            known.DESCRIPTOR.CopyToProto(described)
            self._pool.Add(described)
            self._file.dependency.append(described.name)
        holder = self._file.message_type.add(name="Holder")
        self._field(holder, "self", _with_identity(raw) if root else raw)
        self._field(holder, "known", {"type": "boolean"})
        self._pool.Add(self._file)
        held = cel.Type("schema.Holder")
        self._env = cel.NewEnv(
            descriptor_pool=self._pool, variables={"now": held, "before": held}, extensions=extensions()
        )

    def check(self, source: str, *, optional_old: bool = False) -> str:
        """The name of the type that an expression gives: BOOL, STRING, DYN... Raises CompileError."""
        old = "before.known ? optional.of(before.self) : optional.none()" if optional_old else "before.self"
        head = f"cel.bind(self, now.self, cel.bind(oldSelf, {old}, "
        try:
            return str(self._env.compile(f"{head}{source}\n))").return_type().name())
        except RuntimeError as failure:
            raise CompileError(f"compilation failed: {_words(str(failure), source, len(head))}") from failure

    def _message(self, raw: Obj) -> str:
        name = f"T{next(self._count)}"
        message = self._file.message_type.add(name=name)
        for prop, child in (raw.get("properties") or {}).items():
            if is_reachable(prop):
                self._field(message, escape(prop), child)
        return f".schema.{name}"

    def _field(self, message: Any, name: str, raw: Obj) -> None:
        number = len(message.field) + 1
        entry = message.field.add(name=name, number=number, label=_OPTIONAL, json_name=f"f{number}")
        values = raw.get("additionalProperties")
        if raw.get("type") == "array" and not raw.get("nullable"):
            entry.label = _REPEATED
            self._type(entry, raw.get("items") or {}, nested=True)
        elif raw.get("type") == "object" and isinstance(values, dict) and not raw.get("nullable"):
            self._map(message, entry, values)
        else:
            self._type(entry, raw)

    def _map(self, message: Any, entry: Any, values: Obj) -> None:
        name = "".join(part[:1].upper() + part[1:] for part in entry.name.split("_")) + "Entry"
        if any(other.name == name for other in message.nested_type):
            entry.type, entry.type_name = _MESSAGE, ".google.protobuf.Struct"
            return
        nested = message.nested_type.add(name=name)
        nested.options.map_entry = True
        nested.field.add(name="key", number=1, label=_OPTIONAL, type=_SCALARS["string"])
        self._type(nested.field.add(name="value", number=2, label=_OPTIONAL), values, nested=True)
        entry.label, entry.type, entry.type_name = _REPEATED, _MESSAGE, f".schema.{message.name}.{name}"

    def _type(self, entry: Any, raw: Obj, *, nested: bool = False) -> None:
        kind = raw.get("type", "")
        form = raw.get("format", "") if kind == "string" else ""
        holds_more = kind == "array" or (kind == "object" and isinstance(raw.get("additionalProperties"), dict))
        if (
            (raw.get("nullable") and kind != "object")
            or raw.get("x-kubernetes-int-or-string")
            or (nested and holds_more)
        ):
            entry.type, entry.type_name = _MESSAGE, _ANY
        elif form in _TIMES:
            entry.type, entry.type_name = _MESSAGE, f".google.protobuf.{_TIMES[form]}"
        elif kind in _SCALARS:
            entry.type = _STRING_TYPES.get(form, _SCALARS[kind])
        elif kind == "object" and not holds_more:
            inner = _with_identity(raw) if raw.get("x-kubernetes-embedded-resource") else raw
            entry.type, entry.type_name = _MESSAGE, self._message(inner)
        else:
            entry.type, entry.type_name = _MESSAGE, _ANY


def _with_identity(raw: Obj) -> Obj:
    """A whole object: its kind, and of its metadata the two names."""
    named = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}
    return {
        **raw,
        "properties": {**(raw.get("properties") or {}), "apiVersion": _TEXT, "kind": _TEXT, "metadata": named},
    }


def _words(text: str, source: str, shift: int) -> str:
    """The evaluator's complaint as if the expression had stood alone: lines that quote it, and columns, are its own."""
    text = re.sub(r"^INVALID_ARGUMENT: |\s*\[INVALID_ARGUMENT\]$", "", text)
    text = re.sub(r" not found in struct '[^']*'", "", text)
    shown = []
    for line in text.split("\n"):
        found = re.match(r"ERROR: <input>:(\d+):(\d+): (.*)", line)
        if found and found[1] == "1":
            shown.append(f"ERROR: <input>:1:{max(1, int(found[2]) - shift)}: {found[3]}")
        elif line.startswith(" | ") and line.endswith("^"):
            shown.append(
                f" | {line[3 + shift :]}" if line[3 : 3 + shift].strip(".") == "" and len(line) > 3 + shift else line
            )
        elif line.startswith(" | cel.bind(self, now"):
            shown.append(f" | {line[3 + shift :]}")
        else:
            shown.append(line)
    return "\n".join(shown)
