"""The syntax tree of a compiled expression: the evaluator gives it out as protobuf, which this reads.

Field numbers are those of `cel.expr.CheckedExpr` and `cel.expr.Expr`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pocketkube.base.protobuf import fields


class Constant(NamedTuple):
    value: Any  # None, bool, int, float, str, bytes


class Name(NamedTuple):
    name: str


class Select(NamedTuple):
    """`operand.field`, or `has(operand.field)` if it only tests."""

    operand: Node
    field: str
    tests: bool


class Call(NamedTuple):
    """A function or an operator, `_&&_`; `target` is set for methods."""

    function: str
    target: Node | None
    arguments: tuple[Node, ...]


class Items(NamedTuple):
    """A list, or a map's keys and values one after the other."""

    nodes: tuple[Node, ...]
    is_map: bool


class Loop(NamedTuple):
    """What all, exists, map, filter and cel.bind become."""

    variable: str
    second: str  # of the forms with two variables, else ""
    range: Node
    result_name: str
    start: Node
    condition: Node
    step: Node
    result: Node


Node = Constant | Name | Select | Call | Items | Loop


def tree(serialized: bytes) -> Node:
    """The expression of a serialized program: a CheckedExpr inside an Any."""
    checked = first(serialized, 2)
    return _expression(first(checked, 4))


def names(node: Node) -> set[str]:
    """Every name that an expression reads, its own loop variables included."""
    if isinstance(node, Name):
        return {node.name}
    return set().union(*(names(child) for child in children(node)))


def children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Select):
        return (node.operand,)
    if isinstance(node, Call):
        return (node.target, *node.arguments) if node.target is not None else node.arguments
    if isinstance(node, Items):
        return node.nodes
    if isinstance(node, Loop):
        return (node.range, node.start, node.condition, node.step, node.result)
    return ()


def _expression(data: bytes) -> Node:
    for number, value in fields(data):
        reader = _READERS.get(number)
        if reader is not None:
            return reader(value)
    return Constant(None)


def _constant(data: bytes) -> Node:
    for number, value in fields(data):
        if number == 1:
            return Constant(None)
        if number == 2:
            return Constant(bool(value))
        if number == 3:
            return Constant(value - (1 << 64) if value >> 63 else value)
        if number == 6:
            return Constant(value.decode())
        return Constant(value)
    return Constant(None)


def _name(data: bytes) -> Node:
    return Name(_text(data, 1))


def _select(data: bytes) -> Node:
    return Select(_expression(first(data, 1)), _text(data, 2), bool(first(data, 3, 0)))


def _call(data: bytes) -> Node:
    target = first(data, 1, None)
    arguments = tuple(_expression(value) for number, value in fields(data) if number == 3)
    return Call(_text(data, 2), None if target is None else _expression(target), arguments)


def _list(data: bytes) -> Node:
    return Items(tuple(_expression(value) for number, value in fields(data) if number == 1), is_map=False)


def _map(data: bytes) -> Node:
    entries = [value for number, value in fields(data) if number == 2]
    nodes = [_expression(value) for entry in entries for number, value in fields(entry) if number in (3, 4)]
    return Items(tuple(nodes), is_map=True)


def _loop(data: bytes) -> Node:
    around = [_expression(first(data, number)) for number in (2, 4, 5, 6, 7)]
    return Loop(_text(data, 1), _text(data, 8), around[0], _text(data, 3), around[1], around[2], around[3], around[4])


_READERS = {3: _constant, 4: _name, 5: _select, 6: _call, 7: _list, 8: _map, 9: _loop}


def first(data: bytes, wanted: int, missing: Any = b"") -> Any:
    return next((value for number, value in fields(data) if number == wanted), missing)


def _text(data: bytes, wanted: int) -> str:
    found: bytes = first(data, wanted)
    return found.decode()
