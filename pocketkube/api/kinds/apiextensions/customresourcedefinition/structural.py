"""The rules that make a CRD's schema structural: every value has one known shape, so that it can be pruned and defaulted.

Shapes are stated outside of allOf, anyOf, oneOf and not; inside, values that are specified outside are only narrowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.api.kinds.apiextensions.customresourcedefinition import extensions
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError

Obj = dict[str, Any]

_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
# What may not be said inside a junctor, and in which words.
_OUTSIDE = {
    "type": "empty", "additionalProperties": "undefined", "default": "undefined", "title": "empty", "description": "empty",
    "nullable": "false", "x-kubernetes-preserve-unknown-fields": "false", "x-kubernetes-embedded-resource": "false",
    "x-kubernetes-int-or-string": "false", "x-kubernetes-list-map-keys": "empty", "x-kubernetes-list-type": "undefined",
    "x-kubernetes-map-type": "undefined", "x-kubernetes-validations": "empty",
}  # fmt: skip
# What the library says, as Go says it.
_REGEXP = {
    "missing )": "missing closing )", "missing ]": "missing closing ]", "invalid perl operator": "invalid or unsupported Perl syntax",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
}  # fmt: skip
_EMPTY = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def root(schema: Obj, path: str) -> Errors:
    """Everything wrong with the schema of a whole custom resource."""
    wrong: Errors = []
    if schema.get("nullable"):
        wrong.append(field.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    wrong += _value(schema, path, "root")
    return wrong + list(_complete(schema, schema, path, path))  # of the root's junctors: those below are not asked


def _value(schema: Obj, path: str, level: str) -> Errors:
    """A schema where a value stands: at the root, as an item or as a field."""
    wrong = [*_supported(schema, path), *_typed(schema, path, level), *extensions.found(schema, path)]
    if schema.get("x-kubernetes-embedded-resource") or level == "root":
        wrong += _identity(schema, path, level)
    return wrong + _children(schema, path, level) + list(_junctors(schema, path))


def _supported(schema: Obj, path: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    if kind == "null":
        yield field.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if kind and kind not in _TYPES:
        yield field.not_supported(f"{path}.type", kind, _TYPES)
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield field.forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield field.forbidden(f"{path}.uniqueItems", why)
    if pattern := schema.get("pattern"):
        yield from _pattern(pattern, f"{path}.pattern")


def _pattern(pattern: str, path: str) -> Iterator[FieldError]:
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        re2.compile(pattern, quiet)
    except re2.error as error:
        why = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        what, _, where = why.partition(": ")
        words = f"error parsing regexp: {_REGEXP.get(what, what)}: `{where}`"
        yield field.invalid(path, pattern, f"must be a valid regular expression, but isn't: {words}")


def _typed(schema: Obj, path: str, level: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    either, open_ended = (schema.get(f"x-kubernetes-{x}") for x in ("int-or-string", "preserve-unknown-fields"))
    embedded = schema.get("x-kubernetes-embedded-resource")
    if embedded and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        yield field.invalid(f"{path}.type", kind, why) if kind else field.required(f"{path}.type", why)
    elif not kind and not either and not (open_ended and level != "root"):
        yield field.required(f"{path}.type", _EMPTY[level])
    if level == "root" and kind and kind != "object":
        yield field.invalid(f"{path}.type", kind, "must be object at the root")
    if kind == "array" and schema.get("items") is None:
        yield field.required(f"{path}.items", "must be specified")
    if embedded and not schema.get("properties") and not open_ended:
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield field.required(f"{path}.properties", why)


def _identity(schema: Obj, path: str, level: str) -> Errors:
    """kind, apiVersion and metadata of a whole object; of metadata only the names may be restricted."""
    wrong: Errors = []
    properties = schema.get("properties") or {}
    for name, kind in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        found = properties.get(name)
        if found is not None and found.get("type") != kind:
            wrong.append(field.invalid(f"{path}.properties[{name}].type", found.get("type", ""), f"must be {kind}"))
    metadata = properties.get("metadata") if level == "root" else None
    if metadata is not None:
        named = set(metadata.get("properties") or ()) <= {"name", "generateName"}
        if not named or set(metadata) - {"type", "properties", "default", "description", "title"}:
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            wrong.append(field.forbidden(f"{path}.properties[metadata]", why))
    return wrong


def _children(schema: Obj, path: str, level: str) -> Errors:
    wrong: Errors = []
    for name, child in (schema.get("properties") or {}).items():
        wrong += _value(child, f"{path}.properties[{name}]", "field")
    items, others = schema.get("items"), schema.get("additionalProperties")
    if isinstance(items, list):
        wrong.append(_several(path))
    elif items is not None:
        wrong += _value(items, f"{path}.items", "item")
    place = f"{path}.additionalProperties"
    if others is not None and level == "root":
        wrong.append(field.forbidden(place, "must not be used at the root"))
    if others is not None and schema.get("x-kubernetes-embedded-resource"):
        wrong.append(field.forbidden(place, "must not be used if x-kubernetes-embedded-resource is set"))
    if schema.get("properties") and others is not None and others is not True:
        wrong.append(field.forbidden(place, "additionalProperties and properties are mutual exclusive"))
    elif isinstance(others, dict):
        wrong += _value(others, place, "field")
    return wrong


def _several(path: str) -> FieldError:
    return field.forbidden(f"{path}.items", "items must be a schema object and not an array")


def _junctors(schema: Obj, path: str) -> Iterator[FieldError]:
    for name in _JUNCTORS:
        for at, part in enumerate(schema.get(name) or ()):
            if schema.get("anyOf") == _INT_OR_STRING and name == "anyOf":
                continue  # how an int-or-string spells itself
            yield from _narrowing(part, f"{path}.{name}[{at}]", either=name == "allOf" and at == 0)
    if isinstance(schema.get("not"), dict):
        yield from _narrowing(schema["not"], f"{path}.not")


def _narrowing(part: Obj, path: str, *, either: bool = False) -> Iterator[FieldError]:
    """A schema inside a junctor. `either`: it may spell an int-or-string."""
    for name, words in _OUTSIDE.items():
        if part.get(name) not in (None, False, "", [], ()):
            yield field.forbidden(f"{path}.{name}", f"must be {words} to be structural")
    yield from _supported({k: v for k, v in part.items() if k != "type"}, path)
    properties = part.get("properties") or {}
    if "metadata" in properties:
        yield field.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")
    for name, child in properties.items():
        yield from _narrowing(child, f"{path}.properties[{name}]")
    if isinstance(part.get("items"), dict):
        yield from _narrowing(part["items"], f"{path}.items")
    elif part.get("items") is not None:
        yield _several(path)
    if not (either and part.get("anyOf") == _INT_OR_STRING):
        yield from _junctors({k: v for k, v in part.items() if k in (*_JUNCTORS, "not")}, path)


def _complete(part: Obj, around: Obj, path: str, outside: str) -> Iterator[FieldError]:
    """What a junctor says of a field or item needs that field outside of it too."""
    for name in _JUNCTORS:
        for at, inner in enumerate(part.get(name) or ()):
            yield from _covered(inner, around, f"{path}.{name}[{at}]", outside)
    if isinstance(part.get("not"), dict):
        yield from _covered(part["not"], around, f"{path}.not", outside)


def _covered(part: Obj, around: Obj, path: str, outside: str) -> Iterator[FieldError]:
    if isinstance(part.get("items"), dict):
        if not isinstance(around.get("items"), dict):
            yield field.required(f"{outside}.items", f"because it is defined in {path}.items")
        else:
            yield from _covered(part["items"], around["items"], f"{path}.items", f"{outside}.items")
    for name, child in (part.get("properties") or {}).items():
        place = f"{path}.properties[{name}]"
        specified = (around.get("properties") or {}).get(name)
        if specified is None:
            yield field.required(f"{outside}.properties[{name}]", f"because it is defined in {place}")
        else:
            yield from _covered(child, specified, place, f"{outside}.properties[{name}]")
    yield from _complete(part, around, path, outside)
