"""Conditions of a status in the form that is the same for all newer kinds (metav1.Condition)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

_STATUSES = ["False", "True", "Unknown"]
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_WORDS = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters "
    "or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or "
    "'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
)
_MOST_REASON, _MOST_MESSAGE = 1024, 32768  # bytes


def validate(conditions: Sequence[Mapping[str, Any]], path: str) -> Errors:
    wrong: Errors = []
    seen: set[str] = set()
    for at, condition in enumerate(conditions):
        where, kind = f"{path}[{at}]", condition.get("type", "")
        if kind in seen:
            wrong.append(field.duplicate(f"{where}.type", kind))
        seen.add(kind)
        wrong += _one(condition, where)
    return wrong


def _one(condition: Mapping[str, Any], path: str) -> Errors:
    kind = condition.get("type", "")
    wrong: Errors = [field.invalid(f"{path}.type", kind, why) for why in checks.qualified(kind)]
    if condition.get("status") not in _STATUSES:
        wrong.append(field.not_supported(f"{path}.status", condition.get("status", ""), _STATUSES))
    if (generation := condition.get("observedGeneration") or 0) < 0:
        why = "must be greater than or equal to zero"
        wrong.append(field.invalid(f"{path}.observedGeneration", generation, why))
    if not condition.get("lastTransitionTime"):
        wrong.append(field.required(f"{path}.lastTransitionTime", "must be set"))
    if not (reason := condition.get("reason") or ""):
        wrong.append(field.required(f"{path}.reason", "must be set"))
    else:
        if not _REASON.fullmatch(reason):
            wrong.append(field.invalid(f"{path}.reason", reason, _REASON_WORDS))
        if len(reason) > _MOST_REASON:
            wrong.append(field.too_long(f"{path}.reason", _MOST_REASON))
    if len(condition.get("message") or "") > _MOST_MESSAGE:
        wrong.append(field.too_long(f"{path}.message", _MOST_MESSAGE))
    return wrong
