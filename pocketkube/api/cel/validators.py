"""Mistakes that types do not show: literals that can never be parsed, and lists whose elements are of different types.

Upstream refuses them when an expression is written; the evaluator would fail, or not mind, when it is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pocketkube.api.cel.words import shown
from pocketkube.base import durations
from pocketkube.base.protobuf import fields

_TYPES, _SOURCE, _EXPRESSION = 3, 5, 4  # of a CheckedExpr
_CALL, _LIST = 6, 7  # of an Expr
_INNER = {5: (1,), 6: (1, 3), 7: (1,), 8: (2,), 9: (2, 4, 5, 6, 7)}  # where nodes hold nodes; of maps, entries
_ENTRY = (3, 4)
_EXEMPT = frozenset(("format",))  # functions that take lists of anything
_PRIMITIVES = ("", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN = ("", "any", "timestamp", "duration")


def fault(serialized: bytes, source: str) -> str:
    """The first mistake, as the evaluator shows one; "" for none."""
    checked = next(value for number, value in fields(serialized) if number == 2)
    if not any(name in serialized for name in _NEEDED):
        return ""
    found = _Walk(checked)
    for node, words in found.faults(_first(checked, _EXPRESSION)):
        return shown(source, found.offsets.get(node, 0), words)
    return ""


def _first(data: bytes, wanted: int, missing: Any = b"") -> Any:
    return next((value for number, value in fields(data) if number == wanted), missing)


class _Walk:
    def __init__(self, checked: bytes):
        entries = [dict(fields(value)) for number, value in fields(checked) if number == _TYPES]
        self._types: Mapping[int, bytes] = {entry[1]: entry.get(2, b"") for entry in entries}
        positions = (dict(fields(value)) for number, value in fields(_first(checked, _SOURCE)) if number == 4)
        self.offsets = {entry[1]: entry.get(2, 0) for entry in positions}

    def faults(self, expression: bytes, *, exempt: bool = False) -> Iterator[tuple[int, str]]:
        """(node, what is wrong), from the outside in."""
        for number, value in fields(expression):
            if number == _CALL:
                yield from self._call(value)
                exempt = _first(value, 2).decode() in _EXEMPT
            elif number == _LIST and not exempt:
                yield from self._list(value)
            for inner in _INNER.get(number, ()):
                for at, held in fields(value):
                    if at == inner:
                        yield from self._inside(number, held, exempt=exempt and number == _CALL)

    def _inside(self, kind: int, held: bytes, *, exempt: bool) -> Iterator[tuple[int, str]]:
        if kind != 8:
            yield from self.faults(held, exempt=exempt)
            return
        for number, value in fields(held):
            if number in _ENTRY and isinstance(value, bytes):
                yield from self.faults(value)

    def _call(self, call: bytes) -> Iterator[tuple[int, str]]:
        parse = _PARSED.get(_first(call, 2).decode())
        arguments = [value for number, value in fields(call) if number == 3]
        if parse is None or len(arguments) != 1:
            return
        literal = _first(_first(arguments[0], 3), 6, None)
        if literal is None:
            return
        try:
            parse(literal.decode())
        except ValueError:
            yield _first(arguments[0], 2, 0), f"invalid {_first(call, 2).decode()} argument"

    def _list(self, node: bytes) -> Iterator[tuple[int, str]]:
        wanted = ""
        if _first(node, 2):  # some may be left out: their types are those of optionals
            return
        for element in (value for number, value in fields(node) if number == 1):
            at = _first(element, 2, 0)
            kind = _name(self._types.get(at, b""))
            wanted = wanted or kind
            if kind != wanted and "dyn" not in kind and "dyn" not in wanted:
                yield at, f"expected type '{wanted}' but found '{kind}'"
                return


def _name(data: bytes) -> str:
    """A type as messages write it; what cannot be told is dyn."""
    for number, value in fields(data):
        if number == 3:
            return _PRIMITIVES[value]
        if number == 5:
            return _WELL_KNOWN[value].replace("any", "dyn")
        if number == 6:
            return f"list({_name(_first(value, 1))})"
        if number == 7:
            return f"map({_name(_first(value, 1))}, {_name(_first(value, 2))})"
        if number == 9:
            return str(value.decode())
    return "dyn"


def _duration(text: str) -> None:
    durations.parse(text)


def _timestamp(text: str) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text):
        raise ValueError(text)
    datetime.strptime(text[:19].upper(), "%Y-%m-%dT%H:%M:%S")


def _pattern(text: str) -> None:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options=options)
    except re2.error:
        raise ValueError(text) from None


_PARSED: Mapping[str, Callable[[str], None]] = {"duration": _duration, "timestamp": _timestamp, "matches": _pattern}
_NEEDED = (*(name.encode() for name in _PARSED), b"\x3a")  # in what is serialized; the last begins every list
