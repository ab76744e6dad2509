"""Schema defaults of custom resources, filled in place. Subtrees without defaults are not walked."""

from __future__ import annotations

from typing import Any

from pocketkube.api.schema.model import MISSING, Schema

Obj = dict[str, Any]


def apply(schema: Schema, value: Any) -> None:
    """Fill what is missing, and what is null though null is no value there."""
    if not schema.custom or not schema.has_defaults:
        return
    if type(value) is dict:
        _fill(schema, value)
    elif type(value) is list and schema.items is not None:
        for item in value:
            apply(schema.items, item)


def _fill(schema: Schema, value: Obj) -> None:
    for key, given in schema.fields.items():
        child = given if given.custom else schema.given_metadata
        if child is None:
            continue
        if child.default_value is not MISSING and (key not in value or (value[key] is None and not child.nullable)):
            value[key] = copy(child.default_value)
        if key in value:
            apply(child, value[key])
    if schema.map_values is not None:
        for key, item in value.items():
            if key not in schema.fields:
                apply(schema.map_values, item)


def copy(value: Any) -> Any:
    """A copy that shares no container."""
    if type(value) is dict:
        return {k: copy(v) for k, v in value.items()}
    return [copy(v) for v in value] if type(value) is list else value


def found_in(schema: Schema) -> bool:
    """Whether anything in or below the schema has a default."""
    if not schema.custom:
        return False
    below = [schema.given_metadata] if schema.given_metadata is not None else []
    below += [*schema.fields.values(), *(s for s in (schema.items, schema.map_values) if s is not None)]
    return any(child.default_value is not MISSING or child.has_defaults for child in below if child.custom)
