"""ValidatingAdmissionPolicy: expressions that must be true of a request, and what is said where one is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from apiserver.admission.conditions import ConditionFailed
from apiserver.admission.policies.store import Policy
from pocketkube.api import cel
from pocketkube.api.cel.budget import POLICY_LIMIT, Budget, OutOfBudget

Obj = dict[str, Any]

_LONGEST_MESSAGE = 5 * 1024
_LONGEST_NOTE = 10 * 1024


class Broken(NamedTuple):
    """A validation that did not hold, or that failed: then it has no reason. `at` is its place in the policy."""

    message: str
    reason: str = ""
    at: int = 0
    failed: bool = False


class Judgement(NamedTuple):
    """Of one policy with one parameter object: what is broken, and notes for the audit log or what failed of them."""

    broken: Sequence[Broken]
    notes: Sequence[tuple[str, str]] = ()
    failures: Sequence[str] = ()


class Validation:
    """One of a policy's `validations`. Raises cel.CompileError."""

    def __init__(self, spec: Obj, policy: Policy):
        self.expression: str = spec["expression"].strip()
        self.reason: str = spec.get("reason") or "Invalid"
        self._message: str = (spec.get("message") or "").strip()
        self._program = policy.compiled(spec["expression"])
        said = spec.get("messageExpression")
        self._said = policy.compiled(said, authorizer=False) if said else None

    def check(self, index: int, variables: Obj, budget: Budget) -> Broken | None:
        """Raises OutOfBudget."""
        try:
            if self._program.run(variables, budget=budget) is True:
                return None
        except cel.EvaluationError as failure:
            return Broken(f"expression '{self.expression}' resulted in error: {failure}", "", index, failed=True)
        return Broken(self._words(variables, budget), self.reason, index)

    def _words(self, variables: Obj, budget: Budget) -> str:
        """The message expression's text, else the message, else the expression itself."""
        if self._said is not None:
            try:
                said = self._said.run(variables, budget=budget)
            except cel.EvaluationError:
                said = None
            if isinstance(said, str) and said.strip() and "\n" not in said.strip() and len(said) <= _LONGEST_MESSAGE:
                return said.strip()
        return self._message or f"failed expression: {self.expression}"


class ValidatingPolicy(Policy):
    def __init__(self, stored: Obj):
        super().__init__(stored)
        self._validations = [Validation(v, self) for v in self.spec.get("validations") or ()]
        self._notes = [
            (a["key"], a["valueExpression"], self.compiled(a["valueExpression"]))
            for a in self.spec.get("auditAnnotations") or ()
        ]

    def judge(self, given: Obj) -> Judgement:
        """`given` are the variables of the request and `params`."""
        try:
            if self.conditions and not self.conditions.hold(given):
                return Judgement([])
            budget = Budget(POLICY_LIMIT, given)
            variables = self.with_variables(given, budget)
            broken = [
                found
                for index, validation in enumerate(self._validations)
                if (found := validation.check(index, variables, budget)) is not None
            ]
            return Judgement(broken, *self._annotations(variables, Budget(POLICY_LIMIT, given)))
        except (ConditionFailed, OutOfBudget) as failure:
            return Judgement([Broken(str(failure), failed=True)])

    def _annotations(self, variables: Obj, budget: Budget) -> tuple[list[tuple[str, str]], list[str]]:
        """(key, value) of each that gives text, and what failed. Raises OutOfBudget."""
        notes, failures = [], []
        for key, expression, program in self._notes:
            try:
                value = program.run(variables, budget=budget)
            except cel.EvaluationError as failure:
                failures.append(f"expression '{expression}' resulted in error: {failure}")
                continue
            if isinstance(value, str):
                if value.strip():
                    notes.append((key, value.strip()[:_LONGEST_NOTE]))
            elif value is not None:
                what = f"valueExpression '{expression}' resulted in unsupported return type"
                failures.append(f"{what}: {type(value).__name__}. Return type must be either string or null.")
        return notes, failures
