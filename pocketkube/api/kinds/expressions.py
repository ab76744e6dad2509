"""Expressions of policies and webhooks: each is compiled when it is stored, so that no request ever meets one that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

if TYPE_CHECKING:
    from pocketkube.api.cel.variables import Composed

Obj = dict[str, Any]

# As in `cel.variables`, which only those load who meet an expression.
CONDITION = ("object", "oldObject", "request:AdmissionRequest", "authorizer:Authorizer")


def compiled(
    path: str, text: str, variables: tuple[str, ...], *, gives: tuple[str, ...] = (), composed: Composed | None = None
) -> Errors:
    """What is wrong with an expression over `variables`; `gives`: the types of its value, any where there are none."""
    if not text.strip():
        return []  # required where it is needed; its kind says so
    from pocketkube.api import cel

    try:
        found = cel.compile_expression(text, variables, composed).type
    except cel.CompileError as wrong:
        return [field.invalid(path, text, str(wrong))]
    if not gives or found in gives or found == "dyn":
        return []
    wanted = gives[0] if len(gives) == 1 else f"one of [{' '.join(gives)}]"
    return [field.invalid(path, text, f"must evaluate to {wanted} but got {found}")]


class OfPolicy:
    """The expressions of one policy: what they see, its own variables included once they are added."""

    def __init__(self, spec: Obj):
        self._params = spec.get("paramKind") is not None
        self._composed: Composed = ()

    def add(self, path: str, name: str, text: str) -> Errors:
        """A variable, which sees those before it."""
        from pocketkube.api import cel
        from pocketkube.api.cel.variables import of_policy

        wrong = self.compiled(path, text)
        kind = "dyn"
        if text.strip() and not wrong:
            kind = cel.compile_expression(text, of_policy(params=self._params), self._composed).signature
        if name.isidentifier() and all(name != known for known, _ in self._composed):
            self._composed = (*self._composed, (name, kind))
        return wrong

    def compiled(self, path: str, text: str, *, gives: tuple[str, ...] = (), authorizer: bool = True) -> Errors:
        from pocketkube.api.cel.variables import of_policy

        seen = of_policy(params=self._params, authorizer=authorizer)
        return compiled(path, text, seen, gives=gives, composed=self._composed)

    def conditions(self) -> tuple[str, ...]:
        """What match conditions see."""
        return (*CONDITION, "params") if self._params else CONDITION
