"""Schemas of custom resources: a CRD's OpenAPI becomes a `Schema` that prunes; type errors are left to validation."""

from __future__ import annotations

from typing import Any

import orjson

from pocketkube.api.meta import field
from pocketkube.api.schema.model import Schema
from pocketkube.api.schema.readers import Mismatch, Path, Report, note, text

Obj = dict[str, Any]

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_STRING: Obj = {"type": "string"}
_TYPE = ("apiVersion", "kind")


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
        schema.given_metadata = _given_metadata((raw.get("properties") or {}).get("metadata"))
        fields["metadata"] = Schema.of(_OBJECT_META)
    else:
        schema.given_metadata = None
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


def _given_metadata(raw: Obj | None) -> Schema | None:
    """What a CRD says of metadata, which keeps its own form all the same."""
    if not raw:
        return None
    known = Schema.of(_OBJECT_META).fields
    said: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    said["properties"] = {name: part for name, part in (raw.get("properties") or {}).items() if name in known}
    if isinstance(raw.get("default"), dict):
        said["default"] = {name: value for name, value in raw["default"].items() if name in known}
    return Schema("", said, custom=True)


def leaf_type(raw: Obj) -> str:
    if raw.get("x-kubernetes-int-or-string"):
        return "int-or-string"
    found = raw.get("type", "")
    if not found:
        return "object" if "properties" in raw or raw.get("x-kubernetes-embedded-resource") else "any"
    return str(found)


def pruned_default(schema: Schema) -> Any:
    """A default as it comes into an object: of embedded metadata only what is known."""
    made = orjson.loads(orjson.dumps(schema.raw["default"]))
    try:
        return schema.read(schema, made, None, None)
    except Mismatch:
        return schema.raw["default"]  # which is refused when a CRD is written


def mend(schema: Schema, value: Any) -> None:
    """Drop what has the wrong type in the metadata of an object and of those inside, in place."""
    if type(value) is list and schema.items is not None:
        for item in value:
            mend(schema.items, item)
    if type(value) is not dict:
        return
    if schema.embedded:
        _mend_identity(schema, value)
    for key, item in value.items():
        child = schema.fields.get(key) or schema.map_values
        if child is not None and child.custom:
            mend(child, item)


def _mend_identity(schema: Schema, value: Obj) -> None:
    for name in _TYPE:
        if type(value.get(name, "")) is not str:
            del value[name]
    shape, metadata = schema.fields["metadata"], value.get("metadata")
    if type(metadata) is not dict:
        value.pop("metadata", None)
        return
    for name in list(metadata):
        try:
            shape.read(shape, {name: metadata[name]}, None, None)
        except Mismatch:
            del metadata[name]


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


def _read_identity(schema: Schema, value: Any, path: Path, report: Report) -> None:
    """kind, apiVersion and metadata of an object inside another, which a failure names by its path."""
    why = ""
    if schema.custom:
        why = "" if type(value) is str else "must be a string"
    else:
        try:
            schema.read(schema, value, path, report)
        except Mismatch as wrong:
            why = wrong.sentence()
    if why:
        raise Mismatch(value, "", message=str(field.invalid(text(path), value, why)))


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
        elif schema.embedded and path is not None and (key == "metadata" or key in _TYPE):
            _read_identity(child, item, (path, key), report)
        elif type(item) is dict or type(item) is list or child.name:
            new = child.read(child, item, (path, key), report)
            if new is not item:
                value[key] = new
    for key in dropped:
        del value[key]
