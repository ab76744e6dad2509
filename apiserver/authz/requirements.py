"""Selectors of a request as authorization sees them: requirements with upstream's operators; [] where a selector cannot be read."""

from __future__ import annotations

from typing import Any

from pocketkube.api.meta import errors, selectors
from pocketkube.base.kept import remembered

Obj = dict[str, Any]


@remembered(1024)
def of_fields(text: str) -> tuple[Obj, ...]:
    """`spec.nodeName=n1,a!=b` as In and NotIn requirements."""
    if not text:
        return ()
    try:
        found = selectors.parse_field_selector(text)
    except errors.StatusError:
        return ()
    return tuple(
        {"key": key, "operator": "NotIn" if op == "!=" else "In", "values": [value]} for key, op, value in found
    )


@remembered(1024)
def of_labels(text: str) -> tuple[Obj, ...]:
    """Label requirements: In, NotIn, Exists, DoesNotExist; what compares numbers cannot be said and is left out."""
    if not text:
        return ()
    try:
        found = selectors.parse_label_selector(text)
    except errors.StatusError:
        return ()
    made = []
    for requirement in found.requirements:
        operator = _OPERATORS.get(requirement.op)
        if operator is None:
            continue
        entry: Obj = {"key": requirement.key, "operator": operator}
        if requirement.values:
            entry["values"] = sorted(requirement.values)
        made.append(entry)
    return tuple(made)


_OPERATORS = {
    "in": "In",
    "=": "In",
    "==": "In",
    "notin": "NotIn",
    "!=": "NotIn",
    "exists": "Exists",
    "!": "DoesNotExist",
}
