"""What quantities and semantic versions are both asked: which is more."""

from __future__ import annotations

from typing import Any

from pocketkube.api.cel.library import quantities, semvers
from pocketkube.api.cel.library.function import QUANTITY, SEMVER, Function, Marked


def _compare(one: Marked, other: Marked) -> int:
    order = semvers.of if "~semver" in one else quantities.amount
    left: Any = order(one)
    right: Any = order(other)
    return int(left > right) - int(left < right)


def _of_two(result: str) -> tuple[str, ...]:
    return tuple(f"{kind}, {kind} -> {result}" for kind in (QUANTITY, SEMVER))


FUNCTIONS = (
    Function(".isGreaterThan", _of_two("bool"), lambda one, other: _compare(one, other) > 0),
    Function(".isLessThan", _of_two("bool"), lambda one, other: _compare(one, other) < 0),
    Function(".compareTo", _of_two("int"), _compare),
)
