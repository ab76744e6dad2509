"""Field paths and field errors: what validation returns, in upstream's words (apimachinery `util/validation/field`)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

import orjson


def child(path: str, *names: str | int) -> str:
    """`child("spec", "containers", 0, "name")` is `spec.containers[0].name`."""
    for name in names:
        if isinstance(name, int):
            path = f"{path}[{name}]"
        else:
            path = f"{path}.{name}" if path else name
    return path


def key(path: str, name: str) -> str:
    """A map entry: `metadata.labels[app]`."""
    return f"{path}[{name}]"


_ESCAPED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(text: str) -> str:
    """As Go's %q writes a string."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPED.get(char) or (char if char.isprintable() else _code(char)) for char in text) + '"'


def _code(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _float(value: float) -> str:
    """As Go's %v writes it: the fewest digits that say it, with an exponent from a million on."""
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    if -4 <= int(exponent) < 6:
        return f"{Decimal(repr(value)).normalize():f}"
    return f"{digits}e{exponent[0]}{exponent[1:].zfill(2)}"


def _show(value: Any) -> str:
    """Strings quoted, numbers as they are, everything else as JSON."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return '"null"'
    if isinstance(value, float) and isfinite(value):
        return _float(value)
    shown = orjson.dumps(value).decode()
    return shown.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One failed field. `reason` is upstream's cause type: FieldValueInvalid, FieldValueRequired..."""

    reason: str
    field: str
    detail: str = ""
    value: Any = None
    shows_value: bool = False

    @property
    def body(self) -> str:
        text = _WORDS[self.reason]
        if self.shows_value:
            text += f": {_show(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def to_cause(self) -> dict[str, Any]:
        return {"reason": self.reason, "message": self.body, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


_WORDS = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "InternalError": "Internal error",
    "FieldValueTypeInvalid": "Invalid value",
}


def required(path: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, detail, value, True)


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", path, detail, value, True)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", path, "", value, True)


def not_found(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, "", value, True)


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, detail)


def not_supported(path: str, value: Any, allowed: list[str]) -> FieldError:
    detail = "supported values: " + ", ".join(_show(v) for v in allowed) if allowed else ""
    return FieldError("FieldValueNotSupported", path, detail, value, True)


def too_long(path: str, most: int) -> FieldError:
    return FieldError("FieldValueTooLong", path, f"may not be more than {most} bytes")


def too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError("FieldValueTooMany", path, f"must have at most {most} items", count, True)
