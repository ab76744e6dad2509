"""What `x-kubernetes-` words of a schema ask of the schema they stand in: lists told apart by keys, sets, atomic maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError

Obj = dict[str, Any]

_LIST_TYPES = ["atomic", "set", "map"]
_MAP_TYPES = ["atomic", "granular"]


def found(schema: Obj, path: str) -> Iterator[FieldError]:
    """Everything wrong with the extensions of one schema."""
    either = schema.get("x-kubernetes-int-or-string")
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield field.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    for name in ("preserve-unknown-fields", "embedded-resource"):
        if either and schema.get(f"x-kubernetes-{name}"):
            why = "must be false if x-kubernetes-int-or-string is true"
            yield field.invalid(f"{path}.x-kubernetes-{name}", True, why)
    yield from _map_type(schema, path)
    yield from _list_type(schema, path)
    yield from _keys(schema, path)


def _of_type(schema: Obj, path: str, kind: str, extension: str) -> Iterator[FieldError]:
    given = schema.get("type")
    if given != kind:
        why = f"must be {kind} if {extension} is specified"
        yield field.invalid(f"{path}.type", given, why) if given else field.required(f"{path}.type", why)


def _map_type(schema: Obj, path: str) -> Iterator[FieldError]:
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is None:
        return
    yield from _of_type(schema, path, "object", "x-kubernetes-map-type")
    if map_type not in _MAP_TYPES:
        yield field.not_supported(f"{path}.x-kubernetes-map-type", map_type, _MAP_TYPES)


def _list_type(schema: Obj, path: str) -> Iterator[FieldError]:
    list_type = schema.get("x-kubernetes-list-type")
    if list_type is None:
        return
    yield from _of_type(schema, path, "array", "x-kubernetes-list-type")
    if list_type not in _LIST_TYPES:
        yield field.not_supported(f"{path}.x-kubernetes-list-type", list_type, _LIST_TYPES)
    items = schema.get("items")
    if list_type not in ("set", "map") or not isinstance(items, dict):
        return
    if items.get("nullable"):
        yield field.forbidden(
            f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        )
    if list_type == "set" and schema.get("type") == "array":
        yield from _set_items(items, f"{path}.items")


def _set_items(items: Obj, path: str) -> Iterator[FieldError]:
    """Items of a set are compared as a whole."""
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    kind = items.get("type")
    if kind == "array" and items.get("x-kubernetes-list-type", "atomic") != "atomic":
        yield field.invalid(f"{path}.x-kubernetes-list-type", items["x-kubernetes-list-type"], why)
    if kind == "object" and items.get("x-kubernetes-map-type") != "atomic":
        yield field.invalid(f"{path}.x-kubernetes-map-type", items.get("x-kubernetes-map-type"), why)


def _keys(schema: Obj, path: str) -> Iterator[FieldError]:
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    place = f"{path}.x-kubernetes-list-type"
    if keys and list_type != "map":
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield field.required(place, why) if list_type is None else field.invalid(place, list_type, why)
    if list_type != "map":
        return
    if not keys:
        why = "must not be empty if x-kubernetes-list-type is map"
        yield field.required(f"{path}.x-kubernetes-list-map-keys", why)
    items = schema.get("items")
    if items is None:
        yield field.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    elif not isinstance(items, dict):
        yield field.invalid(f"{path}.items", items, "must only have a single schema if x-kubernetes-list-type is map")
    elif items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        yield field.invalid(f"{path}.items.type", items.get("type", ""), why)
    else:
        yield from _item_keys(items, keys, path)


def _item_keys(items: Obj, keys: list[str], path: str) -> Iterator[FieldError]:
    properties, required = items.get("properties") or {}, items.get("required") or ()
    listed = f"{path}.x-kubernetes-list-map-keys"
    for at, key in enumerate(keys):
        if key in keys[:at]:
            yield field.invalid(listed, keys, "must not contain duplicate entries")
            continue
        if key not in properties:
            yield field.invalid(listed, keys, "entries must all be names of item properties")
            continue
        place, prop = f"{path}.items.properties[{key}]", properties[key]
        if prop.get("type") in ("array", "object"):
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield field.invalid(f"{place}.type", prop["type"], why)
        if "default" not in prop and key not in required:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield field.required(f"{place}.default", why)
        if prop.get("nullable"):
            why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield field.forbidden(f"{place}.nullable", why)
