"""Expressions of policies and webhooks: each is compiled when it is stored, so that no request ever meets one that cannot be."""

from __future__ import annotations

from pocketkube.api.cel.variables import CONDITION, POLICY
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

__all__ = ["CONDITION", "POLICY", "compiled"]


def compiled(path: str, text: str, variables: tuple[str, ...], *, gives: tuple[str, ...] = ()) -> Errors:
    """What is wrong with an expression over `variables`; `gives`: the types of its value, any where there are none."""
    if not text.strip():
        return []  # required where it is needed; its kind says so
    from pocketkube.api import cel

    try:
        found = cel.compile_expression(text, variables).type
    except cel.CompileError as wrong:
        return [field.invalid(path, text, str(wrong))]
    if not gives or found in gives or found == "dyn":
        return []
    wanted = gives[0] if len(gives) == 1 else f"one of [{' '.join(gives)}]"
    return [field.invalid(path, text, f"must evaluate to {wanted} but got {found}")]
