"""The form in which a CRD is kept: what is empty or false and means the same when it is absent goes, all else stays as written.

A bound of zero, an empty default and `x-kubernetes-preserve-unknown-fields: false` say something; `nullable: false` does not.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_OMITTED_EMPTY = (
    "id", "$schema", "description", "type", "format", "title", "pattern", "uniqueItems", "exclusiveMaximum", "exclusiveMinimum",
    "nullable", "required", "enum", "allOf", "oneOf", "anyOf", "properties", "patternProperties", "dependencies", "definitions",
    "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
)  # fmt: skip
_NESTED = ("items", "additionalProperties", "additionalItems", "not")
_NESTED_LISTS = ("allOf", "oneOf", "anyOf")
_NESTED_MAPS = ("properties", "patternProperties", "definitions")
_OF_RULES = ("message", "messageExpression", "fieldPath")
_OF_COLUMNS = ("format", "description", "priority")
_OF_VERSIONS = ("deprecated", "additionalPrinterColumns", "selectableFields")
_OF_NAMES = ("shortNames", "categories", "singular", "listKind")


def canonical(spec: Obj) -> None:
    """Bring a CRD's spec to its kept form, in place."""
    _omit(spec.get("names"), _OF_NAMES)
    if spec.get("preserveUnknownFields") is False:
        del spec["preserveUnknownFields"]
    for version in spec.get("versions") or ():
        _omit(version, _OF_VERSIONS)
        for column in version.get("additionalPrinterColumns") or ():
            _omit(column, _OF_COLUMNS)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None:
            _schema(schema)


def _omit(obj: Any, names: tuple[str, ...]) -> None:
    if isinstance(obj, dict):
        for name in names:
            if name in obj and not obj[name]:
                del obj[name]


def _schema(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    _omit(schema, _OMITTED_EMPTY)
    for rule in schema.get("x-kubernetes-validations") or ():
        _omit(rule, _OF_RULES)
    for name in _NESTED:
        _schema(schema.get(name))
    for name in _NESTED_LISTS:
        for part in schema.get(name) or ():
            _schema(part)
    for name in _NESTED_MAPS:
        for child in (schema.get(name) or {}).values():
            _schema(child)
