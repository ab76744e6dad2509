"""The rules that make a CRD's schema structural: every value has one known shape, so that it can be pruned and defaulted."""

from __future__ import annotations

import re
from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_UNSUPPORTED = ("$ref", "definitions", "dependencies", "id", "patternProperties", "additionalItems")
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_NOT_IN_JUNCTORS = ("additionalProperties", "default", "description", "nullable", "title", "type")
_LIST_TYPES = ["atomic", "map", "set"]
_MAP_TYPES = ["atomic", "granular"]
_EXTENSIONS = (
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
    "x-kubernetes-list-type", "x-kubernetes-map-type",
)  # fmt: skip
_STRUCTURAL = "must be empty to be structural"


def root(schema: Obj, path: str) -> Errors:
    """The schema of a whole custom resource."""
    kind = schema.get("type")
    if not kind:
        return [field.required(f"{path}.type", "must not be empty at the root")]
    if kind != "object":
        return [field.invalid(f"{path}.type", kind, "must be object at the root")]
    wrong = _value(schema, path, "")
    return wrong + _metadata((schema.get("properties") or {}).get("metadata") or {}, f"{path}.properties[metadata]")


def _metadata(schema: Obj, path: str) -> Errors:
    """Of metadata only name and generateName may be restricted."""
    wrong: Errors = []
    if schema.get("type") not in (None, "object"):
        wrong.append(field.invalid(f"{path}.type", schema["type"], "must be object"))
    allowed = ("name", "generateName")
    if set(schema.get("properties") or ()) - set(allowed) or set(schema) - {"type", "description", "properties"}:
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        wrong.append(field.forbidden(path, why))
    return wrong


def _value(schema: Obj, path: str, empty: str) -> Errors:
    """A schema where a value stands; `empty` says why a missing type is wrong."""
    wrong = _common(schema, path)
    kind = schema.get("type")
    int_or_string, preserve = (schema.get(f"x-kubernetes-{x}") for x in ("int-or-string", "preserve-unknown-fields"))
    if not kind and not int_or_string and not preserve and empty:
        wrong.append(field.required(f"{path}.type", empty))
    if kind and int_or_string:
        why = "must be empty if x-kubernetes-int-or-string is true"
        wrong.append(field.invalid(f"{path}.type", kind, why))
    if kind == "array" and schema.get("items") is None:
        wrong.append(field.required(f"{path}.items", "must be specified"))
    if schema.get("x-kubernetes-embedded-resource"):
        wrong += _embedded(schema, path)
    wrong += _lists_and_maps(schema, path)
    return wrong + _children(schema, path) + _junctors(schema, path)


def _common(schema: Obj, path: str) -> Errors:
    wrong: Errors = []
    kind = schema.get("type")
    if kind and kind not in _TYPES:
        wrong.append(field.not_supported(f"{path}.type", kind, _TYPES))
    wrong += [
        field.forbidden(f"{path}.{name}", f"{name} is not supported") for name in _UNSUPPORTED if schema.get(name)
    ]
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        wrong.append(field.forbidden(f"{path}.uniqueItems", why))
    additional = schema.get("additionalProperties")
    if additional is False:
        wrong.append(field.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false"))
    elif additional is not None and schema.get("properties"):
        why = "additionalProperties and properties are mutual exclusive"
        wrong.append(field.forbidden(f"{path}.additionalProperties", why))
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        why = "must be true or undefined"
        wrong.append(field.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, why))
    if pattern := schema.get("pattern"):
        wrong += _pattern(pattern, f"{path}.pattern")
    return wrong


def _pattern(pattern: str, path: str) -> Errors:
    try:
        re.compile(pattern)
    except re.error as error:
        return [field.invalid(path, pattern, f"must be a valid regular expression, but isn't: {error}")]
    return []


def _embedded(schema: Obj, path: str) -> Errors:
    wrong: Errors = []
    if schema.get("type") != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        wrong.append(field.invalid(f"{path}.type", schema.get("type", ""), why))
    if not schema.get("properties") and not schema.get("x-kubernetes-preserve-unknown-fields"):
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        wrong.append(field.required(f"{path}.properties", why))
    return wrong


def _lists_and_maps(schema: Obj, path: str) -> Errors:
    wrong: Errors = []
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    if list_type is not None:
        where = f"{path}.x-kubernetes-list-type"
        if list_type not in _LIST_TYPES:
            wrong.append(field.not_supported(where, list_type, _LIST_TYPES))
        if schema.get("type") != "array":
            why = "must be array if x-kubernetes-list-type is specified"
            wrong.append(field.invalid(f"{path}.type", schema.get("type", ""), why))
    if list_type == "map":
        wrong += _map_keys(schema, keys or [], path)
    elif keys:
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        wrong.append(field.invalid(f"{path}.x-kubernetes-list-type", list_type, why))
    if (map_type := schema.get("x-kubernetes-map-type")) is not None:
        if map_type not in _MAP_TYPES:
            wrong.append(field.not_supported(f"{path}.x-kubernetes-map-type", map_type, _MAP_TYPES))
        if schema.get("type") != "object":
            why = "must be object if x-kubernetes-map-type is specified"
            wrong.append(field.invalid(f"{path}.type", schema.get("type", ""), why))
    return wrong


def _map_keys(schema: Obj, keys: list[str], path: str) -> Errors:
    where = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        return [field.required(where, "must not be empty if x-kubernetes-list-type is map")]
    items = schema.get("items") or {}
    properties, required = items.get("properties") or {}, items.get("required") or ()
    wrong: Errors = []
    for at, key in enumerate(keys):
        found = properties.get(key)
        if found is None:
            why = "entries must all be names of item properties"
            wrong.append(field.invalid(f"{where}[{at}]", key, why))
        elif "default" not in found and key not in required:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            wrong.append(field.required(f"{path}.items.properties[{key}].default", why))
    return wrong


def _children(schema: Obj, path: str) -> Errors:
    wrong: Errors = []
    for name, child in (schema.get("properties") or {}).items():
        wrong += _value(child, f"{path}.properties[{name}]", "must not be empty for specified object fields")
    items = schema.get("items")
    if isinstance(items, list):
        why = "items must be a schema object and not an array"
        wrong.append(field.forbidden(f"{path}.items", why))
    elif items is not None:
        wrong += _value(items, f"{path}.items", "must not be empty for specified array items")
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        why = "must not be empty for specified object fields"
        wrong += _value(additional, f"{path}.additionalProperties", why)
    return wrong


def _junctors(schema: Obj, path: str) -> Errors:
    """Below allOf, anyOf, oneOf and not values are restricted only: shapes stand outside."""
    plain = bool(schema.get("x-kubernetes-int-or-string"))
    wrong: Errors = []
    for name in _JUNCTORS:
        for at, child in enumerate(schema.get(name) or ()):
            wrong += _restriction(child, f"{path}.{name}[{at}]", typed=plain)
    if isinstance(negated := schema.get("not"), dict):
        wrong += _restriction(negated, f"{path}.not", typed=plain)
    return wrong


def _restriction(schema: Obj, path: str, *, typed: bool) -> Errors:
    wrong: Errors = []
    for name in _NOT_IN_JUNCTORS:
        if schema.get(name) not in (None, False, "") and not (typed and name == "type"):
            wrong.append(field.forbidden(f"{path}.{name}", _STRUCTURAL))
    for name in _EXTENSIONS:
        if schema.get(name):
            wrong.append(field.forbidden(f"{path}.{name}", "must be false to be structural"))
    for name, child in (schema.get("properties") or {}).items():
        wrong += _restriction(child, f"{path}.properties[{name}]", typed=False)
    if isinstance(items := schema.get("items"), dict):
        wrong += _restriction(items, f"{path}.items", typed=False)
    return wrong + _junctors(schema, path)
