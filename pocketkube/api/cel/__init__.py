"""Expressions of the Common Expression Language as Kubernetes uses them: text and variables in, a plain value out.

Google's own evaluator does the work; what Kubernetes adds to the language is in `library`, the sets of variables are in
`variables`, object literals in `literals`. The evaluator is loaded when a first expression is compiled. A `Program` is compiled
once and shared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from pocketkube.api.cel import syntax
from pocketkube.api.cel.variables import AUTHORIZATION, CLAIMS, CONDITION, POLICY, SCHEMA, USER, Composed, typed
from pocketkube.api.cel.words import CompileError, EvaluationError, failure
from pocketkube.base.kept import remembered

if TYPE_CHECKING:
    from pocketkube.api.cel.budget import Budget

__all__ = [
    "AUTHORIZATION",
    "CLAIMS",
    "CONDITION",
    "POLICY",
    "SCHEMA",
    "USER",
    "CompileError",
    "EvaluationError",
    "Program",
    "as_list",
    "compile_expression",
    "is_optional",
    "signature",
]


class Program:
    """One compiled expression. `run` may be called any number of times."""

    def __init__(self, source: str, checked: Any, optional: frozenset[str] = frozenset()):
        from pocketkube.api.cel.environment import runnable

        self.source = source
        self._compiled = runnable(checked, optional)
        self.signature = signature(checked.return_type())
        if self.signature == "dyn" and getattr(self.tree, "function", "") == "optional.ofNonZeroValue":
            self.signature = "optional_type<dyn>"  # of a function of ours, which the checker takes for anything
        self.type = self.signature.partition("<")[0]

    @cached_property
    def tree(self) -> syntax.Node:
        """What it was compiled to."""
        return syntax.tree(self._compiled.serialize())

    @cached_property
    def _cheap_bytes(self) -> int:
        from pocketkube.api.cel.budget import cheap_bytes

        return cheap_bytes(self.tree, frozenset(syntax.names(self.tree)))

    def run(self, variables: Mapping[str, Any], *, budget: Budget | None = None) -> Any:
        """The plain value: None, bool, int, float, str, bytes, datetime, list, dict. Raises EvaluationError, and OutOfBudget.

        `variables` needs every name that the expression uses; values are JSON."""
        if budget is not None:
            budget.charge(self._cheap_bytes, self.tree, variables)
        try:
            value = self._compiled.eval(data=variables)
        except RuntimeError as failed:
            raise EvaluationError(failure(str(failed))) from failed
        try:
            found = value.plain_value()
        except (TypeError, RuntimeError) as failed:
            raise EvaluationError(f"the result of {self.source!r} cannot be used: {failed}") from failed
        if value.type().name() == "*error*" or str(value.type()) == "ERROR":
            raise EvaluationError(failure(str(found)))
        return bytes(found) if isinstance(found, bytearray) else found


def signature(found: Any) -> str:
    """bool, list<string>, map<string, dyn>, null_type, kubernetes.Quantity... of what the evaluator calls a type."""
    return _OWN_TYPE.sub(lambda match: "null_type" if match[0] == "NULL" else match[0].lower(), str(found))


_OWN_TYPE = re.compile(r"(?<![\w.])[A-Z]+(?![\w.])")


@remembered(4096, longest=1 << 16)
def compile_expression(source: str, variables: tuple[str, ...] = POLICY, composed: Composed | None = None) -> Program:
    """A program over a set of variables; `composed` are the fields of the one named `variables`. Raises CompileError."""
    optional = frozenset(name for name, kind in composed or () if is_optional(kind))
    return Program(source, _checker(variables, composed).compile(source), optional)


def is_optional(kind: str) -> bool:
    """Whether a signature is of a value that need not be there. Such a value cannot leave the evaluator: see `as_list`."""
    return kind.startswith("optional_type")


def as_list(source: str) -> str:
    """An expression of an optional value, as one that gives it in a list, or an empty list. Composed variables are so."""
    return f"[?optional.none().or({source}\n)]"


@lru_cache(maxsize=64)
def _checker(variables: tuple[str, ...], composed: Composed | None) -> Any:
    from pocketkube.api.cel.environment import Checker

    return Checker(typed(variables, composed))
