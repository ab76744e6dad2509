"""Schemas of custom resources: a CRD's OpenAPI becomes a `Schema` that prunes; type errors are left to validation."""

from __future__ import annotations

from typing import Any

from pocketkube.api.schema.model import Schema
from pocketkube.api.schema.readers import Path, Report, note

Obj = dict[str, Any]

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_STRING: Obj = {"type": "string"}


def root(openapi: Obj | None) -> Schema:
    """The schema of whole custom resources; None or {} keeps no field but the standard ones."""
    from pocketkube.api.schema import compiling  # which knows of this module

    raw = openapi if openapi and openapi.get("type") else {"type": "object", **(openapi or {})}
    schema = Schema("", raw, custom=True)
    compiling.head(schema)
    schema.embedded = True  # a root has kind, apiVersion and metadata, as embedded objects do
    return schema


def children(schema: Schema) -> None:
    """Fill fields, items and map_values of a custom schema."""
    raw = schema.raw
    fields = {name: Schema("", prop, custom=True) for name, prop in (raw.get("properties") or {}).items()}
    if schema.embedded:
        fields.setdefault("apiVersion", Schema("", _STRING, custom=True))
        fields.setdefault("kind", Schema("", _STRING, custom=True))
        fields["metadata"] = Schema.of(_OBJECT_META)
    schema.fields = fields
    items, extra = raw.get("items"), raw.get("additionalProperties")
    schema.items = Schema("", items, custom=True) if isinstance(items, dict) else None
    schema.map_values = Schema("", extra, custom=True) if isinstance(extra, dict) else None
    if extra is True:
        schema.map_values = Schema("", {"x-kubernetes-preserve-unknown-fields": True}, custom=True)
    item_fields = schema.items.fields if schema.items and schema.list_type == "map" else {}
    defaults = {k: f.raw["default"] for k in schema.list_keys if (f := item_fields.get(k)) and "default" in f.raw}
    schema.item_defaults = defaults
    schema.omitted, schema.present = frozenset(), ()


def leaf_type(raw: Obj) -> str:
    if raw.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    found = raw.get("type", "")
    if not found:
        return "object" if "properties" in raw or raw.get("x-kubernetes-embedded-resource") else "any"
    return str(found)


def prune(schema: Schema, value: Any, path: Path, report: Report) -> Any:
    """The reader of custom schemas: unknown fields go, and nulls where null is no value."""
    if type(value) is dict:
        _prune_fields(schema, value, path, report)
    elif type(value) is list and schema.items is not None:
        items = schema.items
        for index, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                prune(items, item, (path, index), report)
    return value


def _prune_fields(schema: Schema, value: Obj, path: Path, report: Report) -> None:
    fields, others, dropped = schema.fields, schema.map_values, []
    for key, item in value.items():
        child = fields.get(key) or others
        if child is None:
            if not schema.preserve:
                dropped.append(key)
                if report is not None:
                    note(report, (path, key))
        elif item is None:
            if not child.nullable and child is not others:
                dropped.append(key)
        elif type(item) is dict or type(item) is list or child.name:
            new = child.read(child, item, (path, key), report)
            if new is not item:
                value[key] = new
    for key in dropped:
        del value[key]
