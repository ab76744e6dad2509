"""Lists in order, their sums and their ends: `[3, 1].min()`. The rest of what lists can is the evaluator's own."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from pocketkube.api.cel.library.function import Function
from pocketkube.api.cel.times import as_given

_SUMMABLE = ("int", "uint", "double", "duration")
_COMPARABLE = (*_SUMMABLE, "bool", "string", "bytes", "timestamp")


def _sum(items: list[Any]) -> Any:
    return as_given(sum(items, timedelta())) if items and isinstance(items[0], timedelta) else sum(items)


def _least(items: list[Any]) -> Any:
    if not items:
        raise ValueError("min called on empty list")
    return as_given(min(items))


def _greatest(items: list[Any]) -> Any:
    if not items:
        raise ValueError("max called on empty list")
    return as_given(max(items))


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= next_one for one, next_one in pairwise(items))


def _index_of(items: list[Any], item: Any) -> int:
    return items.index(item) if item in items else -1


def _last_index_of(items: list[Any], item: Any) -> int:
    return len(items) - 1 - items[::-1].index(item) if item in items else -1


FUNCTIONS = (
    Function(".isSorted", tuple(f"list<{kind}> -> bool" for kind in _COMPARABLE), _is_sorted),
    Function(".sum", tuple(f"list<{kind}> -> {kind}" for kind in _SUMMABLE), _sum),
    Function(".min", tuple(f"list<{kind}> -> {kind}" for kind in _COMPARABLE), _least),
    Function(".max", tuple(f"list<{kind}> -> {kind}" for kind in _COMPARABLE), _greatest),
    Function(".indexOf", ("list<dyn>, dyn -> int",), _index_of),
    Function(".lastIndexOf", ("list<dyn>, dyn -> int",), _last_index_of),
)
