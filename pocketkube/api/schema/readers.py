"""One function a type that brings a parsed JSON value to the form it is kept in, in place where that is possible.

This is the hot part of decoding: a container costs one call, a plain leaf one dict lookup and one type comparison.
A path is a linked tuple `(parent, key)`, written out only when something is wrong.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pocketkube.api.meta import quantity, times

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Path = tuple[Any, Any] | None
Report = list[str] | None  # None: unknown fields go without a word
Obj = dict[str, Any]


class Never:
    """No JSON value is of this type: it makes every value take the checked way."""


PLAIN: dict[str, type[Any]] = {"string": str, "boolean": bool, "int-or-string": str}

MAX_STRICT_ERRORS = 100  # upstream's limit


class Partial(list[str]):
    """The report of a walk over what a client says of an object: nothing is left out or filled in."""


class Mismatch(Exception):
    """A value of the wrong type. Innermost struct and field path are added on the way out."""

    def __init__(self, value: Any, wanted: str, *, message: str = ""):
        super().__init__(message)
        self.value = value
        self.wanted = wanted
        self.message = message
        self.struct = ""
        self.fields: list[str] = []

    def sentence(self) -> str:
        """In the words of Go's JSON decoder."""
        if self.message:
            return self.message
        target = f"field {self.struct}.{'.'.join(reversed(self.fields))}" if self.struct else "value"
        found = json_name(self.value, self.wanted)
        return (
            f"json: cannot unmarshal {found} into Go {'struct ' if self.struct else ''}{target} of type {self.wanted}"
        )


def json_name(value: Any, wanted: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if wanted[:3] in ("int", "flo") else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def go_type(schema: Schema) -> str:
    """The type as decoding errors name it upstream: v1.PodSpec, []v1.Container, map[string]string, int32."""
    if schema.type == "integer":
        return schema.format if schema.format in ("int32", "int64") else "int64"
    if schema.type == "array" and schema.items:
        return "[]" + go_type(schema.items)
    if schema.type in _GO_LEAVES:
        return _GO_LEAVES[schema.type]
    if schema.name:
        return ".".join(schema.name.rsplit(".", 2)[-2:])
    return "map[string]" + (go_type(schema.map_values) if schema.map_values else "interface {}")


_GO_LEAVES = {
    "string": "string", "boolean": "bool", "number": "float64", "quantity": "resource.Quantity", "int-or-string": "int32",
    "time": "string", "microtime": "string", "bytes": "[]uint8", "any": "interface {}",
}  # fmt: skip


def text(path: Path) -> str:
    """`spec.containers[0].image` of a linked path."""
    parts: list[str] = []
    while path is not None:
        path, key = path
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(parts)).removeprefix(".")


def note(report: list[str], path: Path) -> None:
    if len(report) < MAX_STRICT_ERRORS:
        report.append(f'unknown field "{text(path)}"')


def struct(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """An object with named fields: unknown ones and nulls go, zero ones where Go omits them; what Go always has comes."""
    if type(value) is not dict:
        raise Mismatch(value, go_type(schema))
    fields = schema.fields
    dropped: list[str] | None = None
    key = ""
    try:
        for key, item in value.items():
            child = fields.get(key)
            if child is None:
                if report is not None:
                    note(report, (path, key))
            elif type(item) is child.plain:
                if item or key not in schema.omitted or type(report) is Partial:
                    continue
            elif item is not None:
                new = child.read(child, item, (path, key), report)
                if new is not item:
                    value[key] = new
                if new or key not in schema.omitted or type(report) is Partial:
                    continue
            elif type(report) is Partial:
                continue
            if dropped is None:
                dropped = [key]
            else:
                dropped.append(key)
    except Mismatch as wrong:
        wrong.struct = wrong.struct or (schema.name.rsplit(".", 1)[-1] or "Object")
        wrong.fields.append(key)
        raise
    if dropped is not None:
        for key in dropped:
            del value[key]
    for key, make in schema.present:
        if key not in value and type(report) is not Partial:
            value[key] = make()
    return value


def mapping(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """A map with values of one type; a null value is that type's empty value."""
    if type(value) is not dict:
        raise Mismatch(value, go_type(schema))
    child = schema.map_values
    assert child is not None
    plain = child.plain
    for key, item in value.items():
        if type(item) is not plain:
            new = zero(child) if item is None else child.read(child, item, (path, key), report)
            if new is not item:
                value[key] = new
    return value


def array(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    if type(value) is not list:
        raise Mismatch(value, go_type(schema))
    child = schema.items
    if child is None:
        return value
    plain = child.plain
    for index, item in enumerate(value):
        if type(item) is not plain:
            new = zero(child) if item is None else child.read(child, item, (path, index), report)
            if new is not item:
                value[index] = new
    return value


def zero(schema: Schema) -> Any:
    """What null becomes inside a list or map."""
    if schema.type == "object":
        return schema.zero()
    return {
        "string": "", "boolean": False, "integer": 0, "number": 0, "quantity": "0", "int-or-string": 0, "bytes": "",
        "array": [],
    }.get(schema.type)  # fmt: skip


def freeform(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    return value


def open_object(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    if type(value) is not dict:
        raise Mismatch(value, go_type(schema))
    return value


def int32(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    if type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF:
        return value
    raise Mismatch(value, "int32")


def int64(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    if type(value) is int and -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return value
    raise Mismatch(value, "int64")


def number(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    if type(value) is int or type(value) is float:
        return value
    raise Mismatch(value, "float64")


def leaf(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """A string or boolean that was not one."""
    raise Mismatch(value, go_type(schema))


def quantity_text(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """`1024Mi` and 0.5 become `1Gi` and `500m`."""
    if type(value) is not str and (type(value) is bool or not isinstance(value, int | float)):
        raise Mismatch(value, "", message=quantity.FORMAT_WRONG)
    try:
        return quantity.canonical(value if type(value) is str else repr(value))
    except ValueError as wrong:
        raise Mismatch(value, "", message=str(wrong)) from None


def int_or_string(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    if type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF:
        return value
    raise Mismatch(value, "", message=f"json: cannot unmarshal {json_name(value, 'int32')} into Go value of type int32")


def time(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """To UTC and whole seconds."""
    if type(value) is not str:
        raise Mismatch(value, "", message=f"json: cannot unmarshal {json_name(value, '')} into Go value of type string")
    try:
        return times.canonical(value)
    except ValueError as wrong:
        raise Mismatch(value, "", message=str(wrong)) from None


def microtime(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """To UTC and six decimals."""
    if type(value) is not str:
        raise Mismatch(value, "", message=f"json: cannot unmarshal {json_name(value, '')} into Go value of type string")
    try:
        return times.canonical_micro(value)
    except ValueError as wrong:
        raise Mismatch(value, "", message=str(wrong)) from None


def encoded(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """Base64; line breaks inside are dropped as upstream does."""
    if type(value) is not str:
        raise Mismatch(value, "[]uint8")
    packed = value.replace("\r", "").replace("\n", "")
    try:
        base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise Mismatch(value, "", message=f"illegal base64 data at input byte {_bad_byte(packed)}") from None
    return value if packed == value else packed


def _bad_byte(packed: str) -> int:
    good = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = packed.rstrip("=")
    found = next((i for i, c in enumerate(body) if c not in good), None)
    return found if found is not None else len(packed) // 4 * 4


PROPS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def props_or(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """A schema inside a CRD's schema where something else is allowed too: a list of them, a boolean, strings."""
    props = type(schema).of(PROPS)
    if type(value) is dict:
        return struct(props, value, path, report)
    if type(value) is list and schema.type == "props-or-array":
        return [struct(props, item, (path, index), report) for index, item in enumerate(value)]
    if type(value) is list and schema.type == "props-or-strings" and all(type(item) is str for item in value):
        return value
    if type(value) is bool and schema.type == "props-or-bool":
        return value
    raise Mismatch(value, go_type(schema))


_BY_TYPE: dict[str, Callable[[Schema, Any, Path, Report], Any]] = {
    "array": array, "string": leaf, "boolean": leaf, "number": number, "quantity": quantity_text, "int-or-string": int_or_string,
    "time": time, "microtime": microtime, "bytes": encoded, "any": freeform, "integer": int64, "props-or-array": props_or,
    "props-or-bool": props_or, "props-or-strings": props_or,
}  # fmt: skip


def for_schema(schema: Schema) -> Callable[[Schema, Any, Path, Report], Any]:
    """The reader of a built-in kind's schema."""
    if schema.type == "object":
        if "properties" in schema.raw:
            return struct
        return mapping if schema.raw.get("additionalProperties") else open_object
    if schema.type == "integer" and schema.format == "int32":
        return int32
    return _BY_TYPE[schema.type]
