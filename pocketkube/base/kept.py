"""What is remembered of what clients ask, bounded in number and in the size of each question: nobody fills memory by asking.

at most MOST answers  x  questions of at most LONGEST characters
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from inspect import signature
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")
F = TypeVar("F", bound=Callable[..., Any])

MOST = 16_384
LONGEST = 1024  # characters of a question's texts together


class Kept(dict[K, V]):
    """Read it as a dict; write with `keep`. It begins anew when it is full."""

    def __init__(self, most: int = MOST):
        super().__init__()
        self._most = most

    def keep(self, key: K, value: V) -> V:
        """`value`, which is kept unless its key is long."""
        if size(key) <= LONGEST:
            if len(self) >= self._most:
                self.clear()
            self[key] = value
        return value


def size(key: object) -> int:
    """Characters of all texts in a key."""
    if isinstance(key, str | bytes):
        return len(key)
    if not isinstance(key, tuple):
        return 0
    total = 0
    for part in key:
        total += len(part) if type(part) is str else size(part)
    return total


def remembered(most: int, *, longest: int = LONGEST) -> Callable[[F], F]:
    """lru_cache for a pure function whose first argument is a text; what is asked at length is worked out each time."""

    def decorate(function: F) -> F:
        kept = lru_cache(most)(function)

        @wraps(function)
        def short(text: Any, *more: Any) -> Any:
            if len(text) + size(more) <= longest:
                return kept(text, *more)
            return function(text, *more)

        @wraps(function)
        def short_alone(text: Any) -> Any:  # most are asked with nothing else, and often
            return kept(text) if len(text) <= longest else function(text)

        return short_alone if len(signature(function).parameters) == 1 else short  # type: ignore[return-value]

    return decorate
