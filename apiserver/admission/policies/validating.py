"""ValidatingAdmissionPolicy: expressions that must be true of a request, and what is said where one is not."""

from __future__ import annotations

from typing import Any, NamedTuple

from apiserver.admission.policies.store import Policy
from pocketkube.api import cel

Obj = dict[str, Any]


class Broken(NamedTuple):
    """A validation that did not hold, or could not be evaluated."""

    message: str
    reason: str
    failed: bool = False
    expression: str = ""


class Validation:
    def __init__(self, spec: Obj):
        self.expression: str = spec["expression"].strip()
        self.reason: str = spec.get("reason") or "Invalid"
        self._message: str = spec.get("message") or ""
        self._program = cel.compile_expression(spec["expression"])
        said = spec.get("messageExpression")
        self._said = cel.compile_expression(said) if said else None

    def check(self, variables: Obj) -> Broken | None:
        try:
            if self._program.run(variables) is True:
                return None
        except cel.EvaluationError as failure:
            return Broken(
                f"expression '{self.expression}' resulted in error: {failure}", self.reason, True, self.expression
            )
        return Broken(self._words(variables), self.reason, False, self.expression)

    def _words(self, variables: Obj) -> str:
        """The message expression's text, else the message, else the expression itself."""
        if self._said is not None:
            try:
                said = self._said.run(variables)
            except cel.EvaluationError:
                said = None
            if isinstance(said, str) and said.strip() and "\n" not in said:
                return said.strip()
        return self._message.strip() or f"failed expression: {self.expression}"


class ValidatingPolicy(Policy):
    def __init__(self, stored: Obj):
        super().__init__(stored)
        self._validations = [Validation(v) for v in self.spec.get("validations") or ()]
        self._annotations = [
            (a["key"], cel.compile_expression(a["valueExpression"])) for a in self.spec.get("auditAnnotations") or ()
        ]

    def broken(self, given: Obj) -> list[Broken]:
        """Every validation that does not hold. `given` are the variables of the request and `params`."""
        variables = self.with_variables(given)
        return [found for v in self._validations if (found := v.check(variables)) is not None]

    def annotations(self, given: Obj) -> dict[str, str]:
        """Audit annotations; an expression that gives null or fails adds none."""
        found = {}
        variables = self.with_variables(given) if self._annotations else given
        for key, program in self._annotations:
            try:
                value = program.run(variables)
            except cel.EvaluationError:
                continue
            if isinstance(value, str) and value:
                found[f"{self.name}/{key}"] = value
        return found
