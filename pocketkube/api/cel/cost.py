"""What an expression may cost at most: one a step, a tenth for each byte of text walked over, times the length of loops.

The scale and the limits are upstream's. The same estimate serves twice: by a schema's limits when a rule is defined, and by
the data at hand before a costly rule runs, since the evaluator cannot be stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from pocketkube.api.cel.callcosts import COSTS, WALK, Size
from pocketkube.api.cel.schematypes import escape
from pocketkube.api.cel.syntax import Call, Constant, Items, Loop, Name, Node, Select

Obj = dict[str, Any]

RULE_LIMIT = 10_000_000  # estimated, of one rule for all the places it applies to
SCHEMA_LIMIT = 100_000_000  # of all rules of a schema
CALL_LIMIT = 1_000_000  # of one rule on one value
REQUEST_LIMIT = 10_000_000
REQUEST_BYTES = 3 * 1024 * 1024
_MOST = 2**63 - 1

_MINIMAL = {"integer": 1, "number": 1, "boolean": 4, "string": 2, "array": 2, "object": 2}
_FORMATS = {"date": 12, "date-time": 32, "datetime": 32, "duration": 32}
_EQUALITY = frozenset(("_==_", "_!=_", "_<_", "_>_", "_<=_", "_>=_"))


class Shape(Protocol):
    """What is known of a value before it is looked at."""

    def field(self, name: str) -> Shape: ...

    def items(self) -> Shape: ...

    def keys(self) -> Shape: ...

    @property
    def size(self) -> int:
        """At most: bytes of a text, items of a list, entries of a map; 1 for anything else."""

    @property
    def is_map(self) -> bool: ...


class OfSchema(NamedTuple):
    """By an OpenAPI schema."""

    raw: Obj

    def field(self, name: str) -> Shape:
        for prop, child in (self.raw.get("properties") or {}).items():
            if name in (prop, escape(prop)):
                return OfSchema(child)
        return self.items()

    def items(self) -> Shape:
        inner = self.raw.get("items") if self.raw.get("type") == "array" else self.raw.get("additionalProperties")
        return OfSchema(inner if isinstance(inner, dict) else {})

    def keys(self) -> Shape:
        return Fixed(REQUEST_BYTES) if not self.raw.get("maxProperties") else Fixed(REQUEST_BYTES // self.size)

    @property
    def size(self) -> int:
        return most(self.raw)

    @property
    def is_map(self) -> bool:
        return self.raw.get("type") == "object"


class OfData(NamedTuple):
    """By the values that are there."""

    values: list[Any]

    def field(self, name: str) -> Shape:
        return OfData([v[name] for v in self.values if isinstance(v, dict) and name in v])

    def items(self) -> Shape:
        found: list[Any] = []
        for value in self.values:
            found.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        return OfData(found)

    def keys(self) -> Shape:
        return OfData([key for value in self.values if isinstance(value, dict) for key in value])

    @property
    def size(self) -> int:
        return max((len(v) if isinstance(v, str | list | dict) else 1 for v in self.values), default=0)

    @property
    def is_map(self) -> bool:
        return any(isinstance(v, dict) for v in self.values)


class Fixed(NamedTuple):
    """A computed value of which only the size is known."""

    size: int
    inner: int = 1

    def field(self, name: str) -> Shape:
        return Fixed(self.inner)

    def items(self) -> Shape:
        return Fixed(self.inner)

    def keys(self) -> Shape:
        return Fixed(self.inner)

    @property
    def is_map(self) -> bool:
        return False


def smallest(raw: Obj) -> int:
    """The fewest bytes that a value takes in a request."""
    if raw.get("x-kubernetes-int-or-string"):
        return 1
    size = _MINIMAL.get(raw.get("type", ""), 1)
    if raw.get("type") == "object" and raw.get("required"):
        properties = raw.get("properties") or {}
        size += sum(
            len(name) + 4 + smallest(properties.get(name) or {}) for name in raw["required"] if name in properties
        )
    return size


def most(raw: Obj) -> int:
    """The size that a value can have: by its own limits, or as much as fits into a request."""
    kind = raw.get("type", "")
    if kind == "array":
        fits = (REQUEST_BYTES - 2) // (smallest(raw.get("items") or {}) + 1)
        return int(min(raw.get("maxItems", fits), fits))
    if kind == "object" and isinstance(raw.get("additionalProperties"), dict):
        fits = (REQUEST_BYTES - 2) // (smallest(raw["additionalProperties"]) + 6)
        return int(min(raw.get("maxProperties", fits), fits))
    if kind == "string":
        if raw.get("enum"):
            return max(len(str(value)) for value in raw["enum"])
        if raw.get("format") in _FORMATS:
            return _FORMATS[raw["format"]]
        return int(min(raw["maxLength"] * 4, REQUEST_BYTES - 2)) if "maxLength" in raw else REQUEST_BYTES - 2
    return REQUEST_BYTES - 2 if raw.get("x-kubernetes-int-or-string") else 1


class _Estimate(NamedTuple):
    cost: float
    shape: Shape


def estimate(node: Node, shapes: Mapping[str, Shape]) -> int:
    """The cost of an expression whose variables have these shapes."""
    return int(min(_walk(node, dict(shapes)).cost, _MOST))


def _walk(node: Node, known: dict[str, Shape]) -> _Estimate:
    if isinstance(node, Constant):
        size = len(node.value) if isinstance(node.value, str | bytes) else 1
        return _Estimate(0, Fixed(size))
    if isinstance(node, Name):
        return _Estimate(1, known.get(node.name) or Fixed(1))
    if isinstance(node, Select):
        inner = _walk(node.operand, known)
        return _Estimate(inner.cost + 1, inner.shape.field(node.field))
    if isinstance(node, Items):
        parts = [_walk(child, known) for child in node.nodes]
        inside = max((part.shape.size for part in parts), default=1)
        return _Estimate(sum(p.cost for p in parts) + (30 if node.is_map else 10), Fixed(len(parts), inside))
    return _loop(node, known) if isinstance(node, Loop) else _call(node, known)


def _loop(node: Loop, known: dict[str, Shape]) -> _Estimate:
    over, start = _walk(node.range, known), _walk(node.start, known)
    if not isinstance(node.range, Items) or node.range.nodes:
        first = over.shape.keys() if over.shape.is_map else over.shape.items()
        inside = known | {node.variable: first, node.result_name: start.shape}
        if node.second:
            inside |= {node.variable: over.shape.keys(), node.second: over.shape.items()}
        step = _walk(node.step, inside)
        times = over.shape.size
        cost = over.cost + start.cost + times * (_walk(node.condition, inside).cost + step.cost)
        made = Fixed(times, step.shape.items().size)
        return _Estimate(cost + _walk(node.result, inside).cost, made)
    inside = known | {node.result_name: start.shape}  # cel.bind: a loop over nothing
    result = _walk(node.result, inside)
    return _Estimate(start.cost + result.cost, result.shape)


def _call(node: Call, known: dict[str, Shape]) -> _Estimate:
    given = ([node.target] if node.target is not None else []) + list(node.arguments)
    parts = [_walk(part, known) for part in given]
    cost, sizes = sum(part.cost for part in parts), [part.shape.size for part in parts]
    name = node.function
    if name == "_?_:_":
        return _Estimate(
            parts[0].cost + max(parts[1].cost, parts[2].cost), max(parts[1:], key=lambda p: p.shape.size).shape
        )
    if name in ("_[_]", "_[?_]", "_?._"):
        field = node.arguments[-1]
        text = field.value if isinstance(field, Constant) else None
        shape = parts[0].shape.field(text) if isinstance(text, str) else parts[0].shape.items()
        return _Estimate(cost + 1, shape)
    if name in ("value", "orValue", "or", "optional.of"):
        return _Estimate(cost + 1, parts[0].shape)
    if name == "@in":
        return _Estimate(cost + (1 if parts[1].shape.is_map else sizes[1]), Fixed(1))
    if name in _EQUALITY:
        return _Estimate(cost + max(1, min(sizes) * WALK), Fixed(1))
    if (known_cost := COSTS.get(name)) is not None and parts:
        own, made = known_cost([Size(part.shape.size, part.shape.items().size) for part in parts])
        return _Estimate(cost + own, Fixed(*made))
    return _Estimate(cost + 1, Fixed(1))


def exceeds(what: str, cost: int, limit: int) -> str:
    """Upstream's words for an estimate above its limit."""
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    advice = "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared"
    return f"{what} exceeds budget by factor of {shown} ({advice})"
