"""The functions of templates, and what values look like when they are printed, as Go has both."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus


def is_true(value: Any) -> bool:
    """Empty is false: nothing, zero, and what has no members."""
    return bool(value)


def text_of(value: Any) -> str:
    """`map[a:1 b:[x y]]`; what is not there is `<no value>`."""
    return "<no value>" if value is None else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"map[{' '.join(f'{k}:{_text(v)}' for k, v in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return re.sub(r"e([-+])(\d)$", r"e\g<1>0\2", repr(value))


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    for other in others:
        _comparable(first, other)
        if first == other:
            return True
    return False


def _comparable(one: Any, other: Any) -> None:
    if one is None or other is None or _kind(one) == _kind(other):
        return
    raise ValueError("incompatible types for comparison")


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def checked(one: Any, other: Any) -> bool:
        if _kind(one) != _kind(other) or _kind(one) not in ("number", "str"):
            raise ValueError("incompatible types for comparison")
        return compare(one, other)

    return checked


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | dict):
        return len(value)
    raise ValueError("len of nil pointer" if value is None else f"len of type {type(value).__name__}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None:
            raise ValueError("index of untyped nil")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise ValueError(f"index out of range: {key}")
            value = value[key] if isinstance(value, list) else value.encode()[key]
        else:
            raise ValueError(f"can't index item of type {type(value).__name__}")
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, list | str):
        raise ValueError("can't slice item of type " + type(value).__name__)
    first, last = bounds[0] if bounds else 0, bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= first <= last <= len(value):
        raise ValueError(f"index out of range: {last}")
    return value[first:last]


def _exists(value: Any, *keys: Any) -> bool:
    for key in keys:
        if (isinstance(value, dict) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value)
        ):
            value = value[key]
        else:
            return False
    return True


def _print(*values: Any) -> str:
    """A blank between two neighbours of which neither is text."""
    out = ""
    for index, value in enumerate(values):
        apart = index and not isinstance(value, str) and not isinstance(values[index - 1], str)
        out += (" " if apart else "") + _text(value)
    return out


_VERB = re.compile(r"%([-+# 0]*)(\d+|\*)?(?:\.(\d+))?([a-zA-Z%])")


def _printf(form: str, *values: Any) -> str:
    given = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match[1], match[2], match[3], match[4]
        if verb == "%":
            return "%"
        if width == "*":
            width = str(given.pop(0))
        if not given:
            return f"%!{verb}(MISSING)"
        text = _formatted(given.pop(0), verb, flags, precision)
        return _padded(text, flags, int(width or 0))

    out = _VERB.sub(one, form)
    if given:
        out += "%!(EXTRA " + ", ".join(f"{_go_type(v)}={_text(v)}" for v in given) + ")"
    return out


def _padded(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and re.fullmatch(r"[-+]?[\d.]+", text):
        return text.zfill(width)
    return text.rjust(width)


def _formatted(value: Any, verb: str, flags: str, precision: str | None) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    sign = "+" if "+" in flags and number and value >= 0 else ""
    if verb == "v":
        return sign + _text(value)
    if verb == "s":
        text = _text(value) if not number else f"%!s({_go_type(value)}={_text(value)})"
        return text[: int(precision)] if precision else text
    if verb == "q":
        return (
            '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
        )
    if verb == "t" and isinstance(value, bool):
        return str(value).lower()
    if verb == "T":
        return _go_type(value)
    if verb in "dxXob" and isinstance(value, int) and not isinstance(value, bool):
        return sign + format(value, verb)
    if verb in "xX" and isinstance(value, str):
        return value.encode().hex() if verb == "x" else value.encode().hex().upper()
    if verb == "c" and isinstance(value, int):
        return chr(value)
    if verb in "feEgG" and number:
        places = f".{precision}" if precision else (".6" if verb in "feE" else "")
        return sign + (format(float(value), f"{places}{verb}") if places else _float(float(value)))
    return f"%!{verb}({_go_type(value)}={_text(value)})"


def _go_type(value: Any) -> str:
    if value is None:
        return "<nil>"
    names = {
        bool: "bool",
        int: "int64",
        float: "float64",
        str: "string",
        list: "[]interface {}",
        dict: "map[string]interface {}",
    }
    return names.get(type(value), type(value).__name__)


def _javascript(*values: Any) -> str:
    signs = {
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
        "<": "\\u003C",
        ">": "\\u003E",
        "&": "\\u0026",
        "=": "\\u003D",
        "\n": "\\n",
    }
    return "".join(signs.get(c, c) for c in _print(*values))


def _html(*values: Any) -> str:
    return html.escape(_print(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "not": lambda value: not is_true(value),
    "eq": _equal,
    "ne": lambda one, other: not _equal(one, other),
    "lt": _ordered(lambda a, b: a < b),
    "le": _ordered(lambda a, b: a <= b),
    "gt": _ordered(lambda a, b: a > b),
    "ge": _ordered(lambda a, b: a >= b),
    "len": _length,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(_text, values)) + "\n",
    "printf": _printf,
    "html": _html,
    "js": _javascript,
    "urlquery": lambda *values: quote_plus(_print(*values), safe="~"),
    "exists": _exists,
    "base64decode": lambda text: base64.b64decode(text, validate=True).decode(errors="replace"),
    "split": lambda text, by: text.split(by),
    "join": lambda items, by: by.join(map(_text, items)),
}
