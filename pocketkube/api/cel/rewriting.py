"""A checked expression changed on its way to being run: optional values, which only the evaluator's own functions can make.

- A function of the library that may give nothing gives something empty: its call is wrapped in `optional.ofNonZeroValue`.
- A policy's variable that is optional is kept as a list of one value or none: `variables.x` becomes `variables.x[?0]`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pocketkube.api.cel.syntax import first
from pocketkube.base.protobuf import fields, sized, varint

# Which fields of a node hold expressions; of maps and objects, each of the entries.
_INNER = {5: (1,), 6: (1, 3), 7: (1,), 9: (2, 4, 5, 6, 7)}
_ENTRIES = {8: (2, (3, 4))}
_SELECT, _CALL = 5, 6
_VARIABLES = sized(4, sized(1, b"variables"))  # an Expr's name
_ZERO = sized(3, b"\x18\x00")  # an Expr's constant
_FIRST_ID = 1_000_000  # of nodes that are added


def with_optionals(serialized: bytes, functions: frozenset[str], variables: frozenset[str] = frozenset()) -> bytes:
    """A serialized program, changed as above."""
    if not any(name.encode() in serialized for name in (*functions, *variables)):
        return serialized
    found = _Wrapping(functions, variables)
    return _mapped(serialized, 2, lambda checked: _mapped(checked, 4, found.expression))


class _Wrapping:
    def __init__(self, functions: frozenset[str], variables: frozenset[str]):
        self._functions, self._variables = functions, variables
        self._next = _FIRST_ID

    def expression(self, data: bytes) -> bytes:
        for number, numbers in _INNER.items():
            data = _mapped(data, number, partial(self._node, numbers))
        for number, (entries, numbers) in _ENTRIES.items():
            data = _mapped(data, number, partial(self._entries, entries, numbers))
        if (call := first(data, _CALL, None)) is not None and first(call, 2).decode() in self._functions:
            return self._call(b"optional.ofNonZeroValue", data)
        if (select := first(data, _SELECT, None)) is not None and self._is_optional(select):
            return self._call(b"_[?_]", data, self._numbered(_ZERO))
        return data

    def _is_optional(self, select: bytes) -> bool:
        """Whether it is `variables.x` of an optional; `has(variables.x)` is not."""
        return (
            first(select, 2).decode() in self._variables and _VARIABLES in first(select, 1) and not first(select, 3, 0)
        )

    def _entries(self, entries: int, numbers: tuple[int, ...], data: bytes) -> bytes:
        return _mapped(data, entries, partial(self._node, numbers))

    def _node(self, numbers: tuple[int, ...], data: bytes) -> bytes:
        for number in numbers:
            data = _mapped(data, number, self.expression)
        return data

    def _call(self, function: bytes, *arguments: bytes) -> bytes:
        given = b"".join(sized(3, argument) for argument in arguments)
        return self._numbered(sized(_CALL, sized(2, function) + given))

    def _numbered(self, node: bytes) -> bytes:
        self._next += 1
        return b"\x10" + varint(self._next) + node


def _mapped(data: bytes, wanted: int, change: Callable[[bytes], bytes]) -> bytes:
    """A message with the sized fields of a number changed. Its other fields are sized or varints."""
    return b"".join(
        sized(number, change(value) if number == wanted else value)
        if isinstance(value, bytes)
        else varint(number << 3) + varint(value)
        for number, value in fields(data)
    )
