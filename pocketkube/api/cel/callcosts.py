"""What a call costs by the sizes of what it is given, and how large its result is. Upstream's figures: they decide which rules a
definition may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

WALK = 0.1  # for each byte that is looked at
_PATTERN = 0.25  # for each byte of a regular expression
_ASKING = 350_000  # an authorizer: two times in one expression
_FORMAT = 60  # bytes of the longest expression behind a named format


class Size(NamedTuple):
    """Of a value, and of what is inside of it: bytes of the texts of a list."""

    whole: int
    inside: int = 1


class CallCost(NamedTuple):
    cost: float
    size: Size = Size(1)


Given = Sequence[Size]


def _walk(times: int = 1, *, argument: int = 0) -> Callable[[Given], CallCost]:
    """Over one argument, from its first byte to its last."""

    def of(given: Given) -> CallCost:
        size = given[argument].whole if argument < len(given) else 1
        return CallCost(max(1, size * times * WALK), Size(given[0].whole))

    return of


def _contains(given: Given) -> CallCost:
    return CallCost(max(1, given[0].whole * WALK * max(1, given[1].whole * WALK)))


def _matches(given: Given) -> CallCost:
    """Also find and findAll, whose results are at most the text, in pieces."""
    cost = (1 + given[0].whole) * WALK * max(1, given[1].whole * _PATTERN)
    return CallCost(max(1, cost), Size(given[0].whole, given[0].whole))


def _validate(given: Given) -> CallCost:
    return CallCost(max(1, (1 + given[-1].whole) * WALK * _FORMAT * _PATTERN))


def _each(given: Given) -> CallCost:
    """An element after the other, texts byte for byte; of a text (indexOf) its bytes."""
    listed, inside = given[0]
    each = 1 + inside * WALK if inside > 1 else 1
    return CallCost(max(1, listed * each), Size(inside))


def _index(given: Given) -> CallCost:
    return _each(given) if given[0].inside > 1 else _walk()(given)


def _split(given: Given) -> CallCost:
    return CallCost(max(1, given[0].whole * 2 * WALK), Size(given[0].whole, given[0].whole))


def _replace(given: Given) -> CallCost:
    """The longest result: the shortest text replaced by the longest, as often as it may be there."""
    size, by = given[0].whole, given[2].whole if len(given) > 2 else 1
    return CallCost(max(1, size * 2 * WALK), Size(size + (size + 1) * by))


def _join(given: Given) -> CallCost:
    between = given[1].whole if len(given) > 1 else 0
    made = given[0].whole * (given[0].inside + between)
    return CallCost(max(1, made * WALK), Size(made))


def _sets(factor: int) -> Callable[[Given], CallCost]:
    return lambda given: CallCost(1 + factor * given[0].whole * given[-1].whole)


def _added(given: Given) -> CallCost:
    whole = sum(size.whole for size in given)
    return CallCost(max(1, whole * WALK), Size(whole, max(size.inside for size in given)))


def _sorted(given: Given) -> CallCost:
    listed, inside = given[0]
    return CallCost(max(1, listed * (1 + inside * WALK)), given[0])


_WALKS = (
    "lowerAscii", "upperAscii", "substring", "trim", "reverse", "url", "isURL", "quantity", "isQuantity", "ip", "cidr", "isIP",
    "isCIDR", "string", "bytes", "base64.encode", "base64.decode", "strings.quote", "semver", "isSemver", "jsonpatch.escapeKey",
)  # fmt: skip

COSTS: Mapping[str, Callable[[Given], CallCost]] = {
    **dict.fromkeys(_WALKS, _walk()),
    **dict.fromkeys(("startsWith", "endsWith"), _walk(argument=1)),
    **dict.fromkeys(("matches", "find", "findAll"), _matches),
    **dict.fromkeys(("isSorted", "sum", "min", "max"), _each),
    **dict.fromkeys(("indexOf", "lastIndexOf"), _index),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    **dict.fromkeys(("sort", "distinct", "slice", "flatten"), _sorted),
    **dict.fromkeys(("_+_", "format"), _added),
    "sets.equivalent": _sets(2),
    "ip.isCanonical": _walk(2),
    "containsIP": lambda given: CallCost(3.2 + given[-1].whole * WALK),
    "containsCIDR": lambda given: CallCost(5.8 + given[-1].whole * WALK),
    "contains": _contains,
    "validate": _validate,
    "split": _split,
    "replace": _replace,
    "join": _join,
    "check": lambda given: CallCost(_ASKING),
}
