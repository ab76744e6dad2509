"""Expressions checked against a schema: `self` and `oldSelf` have its type.

Evaluation itself needs no types, so a program runs without them; what is made here only finds mistakes and is forgotten.
"""

from __future__ import annotations

from typing import Any

from pocketkube.api.cel.environment import Checker
from pocketkube.api.cel.schematypes import OPTIONAL, escape, is_reachable, with_identity

__all__ = ["Declared", "escape", "is_reachable"]

Obj = dict[str, Any]


class Declared:
    """The types of one schema node; `check` as many expressions as it has."""

    def __init__(self, raw: Obj, *, root: bool = False):
        self._raw = with_identity(raw) if root else raw
        self._checkers: dict[bool, Checker] = {}  # by whether the old value is optional

    def check(self, source: str, *, optional_old: bool = False) -> str:
        """The name of the type that an expression gives: BOOL, STRING, DYN... Raises CompileError."""
        checker = self._checkers.get(optional_old)
        if checker is None:
            old = {OPTIONAL: self._raw} if optional_old else self._raw
            checker = self._checkers[optional_old] = Checker({"self": self._raw, "oldSelf": old})
        return str(checker.compile(source).return_type().name())
