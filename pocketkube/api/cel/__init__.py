"""Expressions of the Common Expression Language as Kubernetes uses them: text and variables in, a plain value out.

Google's own evaluator does the work; what Kubernetes adds to the language is in `library`, object literals in `literals`.
Loaded only when a first expression is compiled. A `Program` is compiled once and shared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pocketkube.api.cel import literals, syntax
from pocketkube.base.kept import remembered

__all__ = ["CompileError", "EvaluationError", "Program", "compile_expression"]

# The sets of variables that expressions may see: an environment for each is costly to make, so there are few.
CONDITION = ("object", "oldObject", "request", "authorizer")
POLICY = (*CONDITION, "params", "namespaceObject", "variables")
SCHEMA = ("self", "oldSelf")


class CompileError(ValueError):
    """The expression is wrong; the text says where."""


class EvaluationError(Exception):
    """The expression failed on these values."""


class Program:
    """One compiled expression. `run` may be called any number of times."""

    def __init__(self, source: str, compiled: Any, environment: Any):
        self.source = source
        self._compiled = compiled
        self._environment = environment

    def tree(self) -> syntax.Node:
        """What it was compiled to."""
        return syntax.tree(self._compiled.serialize())

    @property
    def type(self) -> str:
        """Of its value, as far as that is known: bool, string, int, list... or dyn."""
        return str(self._compiled.return_type()).partition("<")[0].lower()

    def run(self, variables: Mapping[str, Any]) -> Any:
        """The plain value: None, bool, int, float, str, bytes, datetime, list, dict. Raises EvaluationError.

        `variables` needs every name that the expression uses; values are JSON."""
        try:
            value = self._compiled.eval(data=variables)
        except RuntimeError as failure:
            raise EvaluationError(_words(str(failure))) from failure
        try:
            found = value.plain_value()
        except (TypeError, RuntimeError) as failure:
            raise EvaluationError(f"the result of {self.source!r} cannot be used: {failure}") from failure
        if value.type().name() == "*error*" or str(value.type()) == "ERROR":
            raise EvaluationError(_words(str(found)))
        return bytes(found) if isinstance(found, bytearray) else found


@remembered(4096, longest=1 << 16)
def compile_expression(source: str, variables: tuple[str, ...] = POLICY) -> Program:
    """A program over DYN `variables`. Raises CompileError."""
    environment = _environment(variables)
    try:
        return Program(source, environment.compile(literals.as_maps(source)), environment)
    except RuntimeError as failure:
        text = re.sub(r"^INVALID_ARGUMENT: |\s*\[INVALID_ARGUMENT\]$", "", str(failure))
        raise CompileError(f"compilation failed: {text}") from failure


@lru_cache(maxsize=16)
def _environment(variables: tuple[str, ...]) -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables=dict.fromkeys(variables, cel.Type.DYN), extensions=extensions())


def extensions() -> list[Any]:
    """What every environment has beyond the bare language."""
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    from pocketkube.api.cel.library import extension

    return [
        ext_bindings.ExtBindings(),
        ext_optional.ExtOptional(),
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_encoders.ExtEncoders(),
        extension(),
    ]


def _words(text: str) -> str:
    """Upstream's words for what the evaluator says."""
    text = re.sub(r"\s*\[[A-Z_]+\]$", "", text)
    text = re.sub(r"^[A-Z_]+: ", "", text)
    if found := re.fullmatch(r'Key not found in map : "(.*)"', text):
        return f"no such key: {found[1]}"
    return re.sub(r"^No matching overloads found.*", "no such overload", text)
