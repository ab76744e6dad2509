"""Access reviews: the question of one, checked."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_NOT_BOTH = "cannot be specified in combination with resourceAttributes"


def validate_self(obj: Obj) -> Errors:
    """A question about the asker."""
    spec = obj.get("spec") or {}
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        return [field.invalid("spec.nonResourceAttributes", other, _NOT_BOTH)]
    if resource is None and other is None:
        return [field.invalid("spec.resourceAttributes", other, _ONE)]
    return []


def validate(obj: Obj) -> Errors:
    """A question about somebody."""
    spec = obj.get("spec") or {}
    wrong = validate_self(obj)
    if not spec.get("user") and not spec.get("groups"):
        wrong.append(
            field.invalid("spec.user", spec.get("user", ""), "at least one of user or group must be specified")
        )
    return wrong


def validate_local(obj: Obj) -> Errors:
    """A question about somebody in the namespace of the request."""
    spec, namespace = obj.get("spec") or {}, obj["metadata"].get("namespace", "")
    wrong = validate(obj)
    asked = (spec.get("resourceAttributes") or {}).get("namespace", "")
    if spec.get("resourceAttributes") is not None and asked != namespace:
        why = "must match metadata.namespace"
        wrong.append(field.invalid("spec.resourceAttributes.namespace", asked, why))
    if spec.get("nonResourceAttributes") is not None:
        why = "disallowed on this kind of request"
        wrong.append(field.invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], why))
    return wrong
