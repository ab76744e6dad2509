"""Expressions of the Common Expression Language as Kubernetes uses them: text and variables in, a plain value out.

Google's own evaluator does the work; what Kubernetes adds to the language is in `library`, the sets of variables are in
`variables`, object literals in `literals`. The evaluator is loaded when a first expression is compiled. A `Program` is compiled
once and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pocketkube.api.cel import syntax
from pocketkube.api.cel.variables import AUTHORIZATION, CLAIMS, CONDITION, POLICY, SCHEMA, USER, typed
from pocketkube.api.cel.words import CompileError, EvaluationError, failure
from pocketkube.base.kept import remembered

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
    "compile_expression",
]


class Program:
    """One compiled expression. `run` may be called any number of times."""

    def __init__(self, source: str, checked: Any):
        from pocketkube.api.cel.environment import runnable

        self.source = source
        self.type = _type_name(checked.return_type())
        self._compiled = runnable(checked)

    def tree(self) -> syntax.Node:
        """What it was compiled to."""
        return syntax.tree(self._compiled.serialize())

    def run(self, variables: Mapping[str, Any]) -> Any:
        """The plain value: None, bool, int, float, str, bytes, datetime, list, dict. Raises EvaluationError.

        `variables` needs every name that the expression uses; values are JSON."""
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


def _type_name(found: Any) -> str:
    """bool, string, int, list, map, null_type, dyn, or the name of a type of Kubernetes."""
    name = str(found).partition("<")[0]
    if not name.isupper():
        return name
    return "null_type" if name == "NULL" else name.lower()


@remembered(4096, longest=1 << 16)
def compile_expression(source: str, variables: tuple[str, ...] = POLICY) -> Program:
    """A program over a set of variables. Raises CompileError."""
    return Program(source, _checker(variables).compile(source))


@lru_cache(maxsize=16)
def _checker(variables: tuple[str, ...]) -> Any:
    from pocketkube.api.cel.environment import Checker

    return Checker(typed(variables))
