"""Whether a CRD's schema is structural: every value's type is stated once, outside of allOf, anyOf, oneOf and not.

Only such a schema can prune, default and be published. What is wrong comes out as field errors in upstream's words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError

Obj = dict[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")

_JUNCTORS = ("allOf", "anyOf", "oneOf")
_NOT_IN_JUNCTORS = (
    "type", "additionalProperties", "default", "title", "description", "nullable", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
    "x-kubernetes-map-type",
)  # fmt: skip
_FORBIDDEN_META = "must not specify anything other than name and generateName, but metadata is implicitly specified"


def violations(raw: Obj, path: str = "spec.validation.openAPIV3Schema") -> list[FieldError]:
    """Everything that keeps a schema from being structural; `path` is the schema's place in the CRD."""
    found: list[FieldError] = []
    if raw.get("type", "") != "object" or raw.get("nullable"):
        found += _root(raw, path)
    metadata = (raw.get("properties") or {}).get("metadata")
    if metadata is not None:
        found += _metadata(metadata, field.child(path, "properties") + "[metadata]")
    return found + list(_node(raw, path, "at the root"))


def _root(raw: Obj, path: str) -> Iterable[FieldError]:
    if not raw.get("type"):
        yield field.required(field.child(path, "type"), "must not be empty at the root")
    elif raw["type"] != "object":
        yield field.invalid(field.child(path, "type"), raw["type"], "must be object at the root")
    if raw.get("nullable"):
        yield field.forbidden(field.child(path, "nullable"), "nullable cannot be true at the root")


def _metadata(raw: Obj, path: str) -> Iterable[FieldError]:
    extra = set(raw.get("properties") or ()) - {"name", "generateName"}
    others = set(raw) - {"type", "properties", "description", "title", "required"}
    if extra or others:
        yield field.forbidden(path, _FORBIDDEN_META)


def _node(raw: Obj, path: str, place: str) -> Iterable[FieldError]:
    yield from _type(raw, path, place)
    yield from _shape(raw, path)
    yield from _lists(raw, path)
    yield from _junctions(raw, path)
    for name, prop in (raw.get("properties") or {}).items():
        below = field.key(field.child(path, "properties"), name)
        yield from _node(prop, below, "for specified object fields")
    items, extra = raw.get("items"), raw.get("additionalProperties")
    if isinstance(items, dict):
        yield from _node(items, field.child(path, "items"), "for specified array items")
    if isinstance(extra, dict):
        yield from _node(extra, field.child(path, "additionalProperties"), "for specified object fields")


def _type(raw: Obj, path: str, place: str) -> Iterable[FieldError]:
    wanted, either = raw.get("type", ""), raw.get("x-kubernetes-int-or-string")
    if either:
        if wanted:
            yield field.invalid(
                field.child(path, "type"), wanted, "must be empty if x-kubernetes-int-or-string is true"
            )
    elif not wanted:
        if place != "at the root" and not raw.get("x-kubernetes-preserve-unknown-fields"):
            yield field.required(field.child(path, "type"), f"must not be empty {place}")
    elif wanted not in TYPES:
        yield field.not_supported(field.child(path, "type"), wanted, list(TYPES))


def _shape(raw: Obj, path: str) -> Iterable[FieldError]:
    if raw.get("properties") and raw.get("additionalProperties"):
        yield field.forbidden(
            field.child(path, "additionalProperties"), "additionalProperties and properties are mutual exclusive"
        )
    if isinstance(raw.get("items"), list):
        yield field.forbidden(field.child(path, "items"), "items must be a schema object and not an array")
    if raw.get("type") == "array" and raw.get("items") is None:
        yield field.required(field.child(path, "items"), "must be specified")
    if raw.get("uniqueItems"):
        words = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield field.forbidden(field.child(path, "uniqueItems"), words)
    if raw.get("x-kubernetes-embedded-resource"):
        if raw.get("type") != "object":
            words = "must be object if x-kubernetes-embedded-resource is true"
            yield field.invalid(field.child(path, "type"), raw.get("type", ""), words)
        if not raw.get("properties") and not raw.get("x-kubernetes-preserve-unknown-fields"):
            words = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
            yield field.required(field.child(path, "properties"), words)


def _lists(raw: Obj, path: str) -> Iterable[FieldError]:
    kind, keys = raw.get("x-kubernetes-list-type"), raw.get("x-kubernetes-list-map-keys")
    if kind and raw.get("type") != "array":
        words = "must be array if x-kubernetes-list-type is specified"
        yield field.invalid(field.child(path, "type"), raw.get("type", ""), words)
    if kind and kind not in ("atomic", "set", "map"):
        yield field.not_supported(field.child(path, "x-kubernetes-list-type"), kind, ["atomic", "set", "map"])
    if keys and kind != "map":
        words = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield field.invalid(field.child(path, "x-kubernetes-list-type"), kind or "", words)
    if kind == "map":
        yield from _list_keys(raw, keys or [], path)


def _list_keys(raw: Obj, keys: list[str], path: str) -> Iterable[FieldError]:
    place = field.child(path, "x-kubernetes-list-map-keys")
    if not keys:
        yield field.required(place, "must not be empty if x-kubernetes-list-type is map")
    items = raw.get("items") or {}
    if items.get("type") != "object":
        words = "must be object if parent array's x-kubernetes-list-type is map"
        yield field.invalid(field.child(path, "items", "type"), items.get("type", ""), words)
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield field.invalid(field.child(place, index), key, "must be unique")
        elif key not in properties:
            yield field.invalid(field.child(place, index), key, "entries must all be names of item properties")
        elif key not in (items.get("required") or ()) and "default" not in properties[key]:
            where = field.key(field.child(path, "items", "properties"), key)
            words = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            yield field.required(field.child(where, "default"), words)


def _junctions(raw: Obj, path: str) -> Iterable[FieldError]:
    for name in _JUNCTORS:
        for index, part in enumerate(raw.get(name) or ()):
            if not _is_int_or_string(raw, part):
                yield from _nested(part, raw, field.child(path, name, index))
    if isinstance(raw.get("not"), dict):
        yield from _nested(raw["not"], raw, field.child(path, "not"))


def _is_int_or_string(raw: Obj, part: Obj) -> bool:
    """The one type that a junction may state: that an int-or-string is an integer or a string."""
    if not raw.get("x-kubernetes-int-or-string"):
        return False
    return part in ({"type": "integer"}, {"type": "string"}) or part.keys() == {"anyOf"}


def _nested(part: Obj, around: Obj, path: str) -> Iterable[FieldError]:
    """A schema below a junction: it may only narrow what is specified outside."""
    for key in _NOT_IN_JUNCTORS:
        if part.get(key):
            yield field.forbidden(field.child(path, key), "must be empty to be structural")
    for name, prop in (part.get("properties") or {}).items():
        below = field.key(field.child(path, "properties"), name)
        outside = (around.get("properties") or {}).get(name)
        if outside is None and isinstance(around.get("additionalProperties"), dict):
            outside = around["additionalProperties"]
        if outside is None:
            place = "." + below.split("openAPIV3Schema.", 1)[-1]
            yield field.required(below, f"because it is defined in {place}")
        else:
            yield from _nested(prop, outside, below)
    if isinstance(part.get("items"), dict):
        yield from _nested(part["items"], around.get("items") or {}, field.child(path, "items"))
    yield from _junctions(part, path)
