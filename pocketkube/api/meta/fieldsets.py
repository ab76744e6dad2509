"""Sets of field paths in the very form that `fieldsV1` has on the wire, so that nothing is parsed or written anew.

    {"f:spec": {"f:replicas": {}, "f:template": {".": {}, "f:spec": {...}}}}

A key is one path element: `f:` a field, `k:{"name":"a"}` an item by its keys, `v:"x"` an item by its value, `i:0` by its
place. A node that is `{}` or holds "." is itself in the set; the root never is. Sets are never changed once made: an
operation that finds nothing to do returns its first argument itself, and results share what they can.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pocketkube.base.kept import remembered

FieldSet = dict[str, Any]

MEMBER: FieldSet = {}
_ORDERED_KEPT, _ORDERED_BYTES = 256, 4096  # sets, and the text of each


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    out: FieldSet | None = None
    for element, theirs in other.items():
        mine = one.get(element)
        if mine is theirs:
            continue
        merged = theirs if mine is None else _union_node(mine, theirs)
        if merged is not mine:
            if out is None:
                out = dict(one)
            out[element] = merged
    return one if out is None else out


def _union_node(one: FieldSet, other: FieldSet) -> FieldSet:
    if not other:
        return one if not one or "." in one else {".": MEMBER, **one}
    if not one:
        return other if "." in other else {".": MEMBER, **other}
    return union(one, other)


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """Paths of `one` that are not in `other`. A path's children do not go with it."""
    out: FieldSet | None = None
    for element, theirs in other.items():
        mine = one.get(element)
        if mine is None:
            continue
        left = _difference_node(mine, theirs)
        if left is not mine:
            if out is None:
                out = dict(one)
            if left is None:
                del out[element]
            else:
                out[element] = left
    return one if out is None else out


def _difference_node(one: FieldSet, other: FieldSet) -> FieldSet | None:
    """What is left of a node, None for nothing."""
    if not other:
        if not one:
            return None
        return {k: v for k, v in one.items() if k != "."} or None if "." in one else one
    if not one:
        return None if "." in other else one
    left = difference(one, other)
    if left is one:
        return one
    if len(left) == 1 and "." in left:
        return MEMBER
    return left or None


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """Paths in both; walks the smaller."""
    if len(other) < len(one):
        one, other = other, one
    out: FieldSet = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is not None and element != ".":
            both = _intersection_node(mine, theirs)
            if both is not None:
                out[element] = both
    return out


def _intersection_node(one: FieldSet, other: FieldSet) -> FieldSet | None:
    member = is_member(one) and is_member(other)
    inner = intersection(one, other) if one and other else MEMBER
    if inner:
        return {".": MEMBER, **inner} if member else inner
    return MEMBER if member else None


def is_member(node: FieldSet) -> bool:
    """Whether the node's own path is in the set."""
    return not node or "." in node


def without(found: FieldSet, *path: str) -> FieldSet:
    """The set without a path and everything below it."""
    element, *rest = path
    inner = found.get(element)
    if inner is None:
        return found
    if not rest:
        return {k: v for k, v in found.items() if k != element}
    left = without(inner, *rest)
    if left is inner:
        return found
    return {**found, element: left} if left else {k: v for k, v in found.items() if k != element}


def ordered(found: FieldSet) -> FieldSet:
    """The set as upstream writes it: itself, then fields by name, items by keys, by value and by place.

    Objects that are made alike have the same sets: they share one."""
    return _ordered_like(orjson.dumps(found))


@remembered(_ORDERED_KEPT, longest=_ORDERED_BYTES)
def _ordered_like(text: bytes) -> FieldSet:
    return _ordered(orjson.loads(text))


def _ordered(found: FieldSet) -> FieldSet:
    """Itself if it is in order."""
    out: FieldSet | None = None
    if len(found) > 1:
        names = sorted(found)
        if names[-1] > "g":  # text puts "." before "f:" as well; items are compared by what they say
            names.sort(key=_rank)
        if names != list(found):
            out = {name: found[name] for name in names}
    for name, node in found.items():
        if node:
            inner = _ordered(node)
            if inner is not node:
                if out is None:
                    out = dict(found)
                out[name] = inner
    return found if out is None else out


_KINDS = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}


def _rank(element: str) -> tuple[Any, ...]:
    kind, body = element[0], element[2:]
    if kind == "k":
        return (2, tuple((name, _value_rank(value)) for name, value in sorted(orjson.loads(body).items())))
    if kind == "v":
        return (3, _value_rank(orjson.loads(body)))
    return (4, int(body)) if kind == "i" else (_KINDS[kind], body)


def _value_rank(value: Any) -> tuple[int, Any]:
    """Numbers, strings, booleans, then what holds others, by its text."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else (3, orjson.dumps(value))


def paths(found: FieldSet, prefix: str = "") -> Iterator[str]:
    """Every path in upstream's writing: `.spec.containers[name="a"].image`, in order."""
    for element in sorted(found):
        if element == ".":
            continue
        node = found[element]
        path = prefix + element_text(element)
        if is_member(node):
            yield path
        yield from paths(node, path)


def element_text(element: str) -> str:
    kind, body = element[:2], element[2:]
    if kind == "f:":
        return f".{body}"
    if kind == "k:":
        keys = orjson.loads(body)
        return "[" + ",".join(f"{name}={orjson.dumps(keys[name]).decode()}" for name in sorted(keys)) + "]"
    return f"[={body}]" if kind == "v:" else f"[{body}]"


def is_valid(found: Any) -> bool:
    """Whether this, from a client, is a well-formed set."""
    if type(found) is not dict:
        return False
    return all((key == "." or _is_element(key)) and is_valid(node) for key, node in found.items())


def _is_element(key: str) -> bool:
    kind, body = key[:2], key[2:]
    if kind == "f:":
        return True
    if kind == "i:":
        return body.isascii() and body.isdigit()
    if kind not in ("k:", "v:"):
        return False
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return kind == "v:" or isinstance(value, dict)
