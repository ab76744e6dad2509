"""Turns raw OpenAPI into filled slots of a `Schema`: first its head, then, on the first descent, its children."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pocketkube.api.schema import definitions, presence, readers, structural
from pocketkube.api.schema.model import MISSING, Schema

Obj = dict[str, Any]

_META = "io.k8s.apimachinery.pkg."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

# Definitions whose wire form their own schema does not tell.
_SPECIAL = {
    _META + "api.resource.Quantity": "quantity",
    _META + "util.intstr.IntOrString": "int-or-string",
    _META + "apis.meta.v1.Time": "time",
    _META + "apis.meta.v1.MicroTime": "microtime",
    _META + "apis.meta.v1.FieldsV1": "any",
    _META + "runtime.RawExtension": "any",
    _EXTENSIONS + "JSON": "any",
    _EXTENSIONS + "JSONSchemaPropsOrArray": "props-or-array",
    _EXTENSIONS + "JSONSchemaPropsOrBool": "props-or-bool",
    _EXTENSIONS + "JSONSchemaPropsOrStringArray": "props-or-strings",
}

# Defaults of list keys: the published schemas leave them out, yet items are told apart by them.
_KEY_DEFAULTS = {
    "io.k8s.api.core.v1.ContainerPort": {"protocol": "TCP"},
    "io.k8s.api.core.v1.ServicePort": {"protocol": "TCP"},
}

_PLAIN_LEAF = frozenset({"type", "description", "format", "default", "enum"})


def json_type(raw: Obj) -> str:
    """The type with the package's `or null` taken back."""
    found = raw.get("type", "")
    if isinstance(found, list):
        found = next((t for t in found if t != "null"), "")
    return str(found)


def head(schema: Schema) -> None:
    """Fill every slot that needs no look at children."""
    raw = schema.raw
    if schema.custom:
        schema.type = structural.leaf_type(raw)
    else:
        schema.type = _SPECIAL.get(schema.name) or _leaf_type(raw)
    schema.format = raw.get("format", "")
    schema.required = frozenset(raw.get("required", ()))
    schema.nullable = bool(raw.get("nullable"))
    schema.embedded = bool(raw.get("x-kubernetes-embedded-resource"))
    schema.preserve = schema.type == "any" or bool(raw.get("x-kubernetes-preserve-unknown-fields"))
    schema.default_value = raw.get("default", MISSING)
    rules(schema, raw)
    schema.plain = readers.Never if schema.custom else readers.PLAIN.get(schema.type, readers.Never)
    schema.read = structural.prune if schema.custom else readers.for_schema(schema)
    if schema.custom and isinstance(schema.default_value, dict | list):
        schema.default_value = structural.pruned_default(schema)


def _leaf_type(raw: Obj) -> str:
    found = json_type(raw)
    if found == "string" and raw.get("format") == "byte":
        return "bytes"
    if not found:
        return "object" if "properties" in raw or "additionalProperties" in raw else "any"
    if found == "object" and not raw.get("properties") and not raw.get("additionalProperties"):
        # `{}` in Go, such as pod group policies without settings, unless a custom resource's schema says more
        return "object"
    return found


def rules(schema: Schema, raw: Obj) -> None:
    """How lists and maps merge: for strategic merge and for field ownership."""
    strategies = str(raw.get("x-kubernetes-patch-strategy", "")).split(",")
    schema.retain_keys = "retainKeys" in strategies
    schema.merge_strategy = next((s for s in strategies if s in ("merge", "replace")), "")
    schema.merge_key = raw.get("x-kubernetes-patch-merge-key", "")
    schema.map_type = raw.get("x-kubernetes-map-type", "granular")
    schema.list_keys = tuple(sorted(raw.get("x-kubernetes-list-map-keys", ())))
    schema.list_type = raw.get("x-kubernetes-list-type", "")
    if not schema.list_type and schema.merge_strategy == "merge":
        schema.list_type = "map" if schema.merge_key else "set"
        schema.list_keys = (schema.merge_key,) if schema.merge_key else ()
    schema.list_type = schema.list_type or "atomic"


def children(schema: Schema) -> None:
    """Fill fields, items and map_values; definitions they refer to stay uncompiled."""
    base = schema.definition
    if schema.custom:
        structural.children(schema)
        return
    if base is not None:
        schema.fields, schema.items, schema.map_values = base.fields, base.items, base.map_values
        schema.item_defaults, schema.omitted, schema.present = base.item_defaults, base.omitted, base.present
        schema.given_metadata = None
        return
    raw = schema.raw
    special = schema.name in _SPECIAL
    schema.fields = {} if special else {k: prop(v) for k, v in raw.get("properties", {}).items()}
    extra = raw.get("additionalProperties")
    schema.map_values = prop(extra) if isinstance(extra, dict) and not special else None
    schema.items = prop(raw["items"]) if "items" in raw else None
    schema.given_metadata = None
    schema.item_defaults = _KEY_DEFAULTS.get(schema.items.name, {}) if schema.items else {}
    kept, always = presence.of(schema.name)
    kept = kept | {"managedFields"}  # an empty list of them is a wish: that nobody's fields be tracked any more
    schema.omitted = frozenset(k for k, v in schema.fields.items() if k not in kept and _goes_when_zero(v))
    made = ((name, _zero(schema.fields[name])) for name in always if name in schema.fields)
    schema.present = tuple((name, make) for name, make in made if make is not None)


_SCALARS = frozenset(("string", "boolean", "integer", "number", "bytes", "array"))


def _goes_when_zero(schema: Schema) -> bool:
    return schema.type in _SCALARS or (schema.type == "object" and bool(schema.raw.get("additionalProperties")))


def _zero(schema: Schema) -> Callable[[], Any] | None:
    """What makes the zero value of a field that Go holds by value: null for times; None where it is not to be made."""
    if schema.type == "object":
        return schema.zero if schema.present else dict
    return _ZEROS.get(schema.type)


_ZEROS: dict[str, Callable[[], Any]] = {
    "string": str, "boolean": bool, "integer": int, "number": int, "int-or-string": int, "quantity": lambda: "0",
    "time": lambda: None, "microtime": lambda: None,
}  # fmt: skip


def prop(raw: Obj) -> Schema:
    """The schema of a property; leaves without rules are shared, references are followed."""
    ref = raw.get("$ref")
    if ref is not None:
        base = Schema.of(ref.removeprefix(definitions.REF))
        if not any(k.startswith("x-kubernetes-") for k in raw):
            return base
        return _derived(base, raw)
    if raw.keys() <= _PLAIN_LEAF and "default" not in raw:
        key = (json_type(raw), raw.get("format", ""))
        if key[0] not in ("object", "array", ""):
            found = _LEAVES.get(key)
            if found is None:
                found = _LEAVES[key] = Schema("", {"type": key[0], "format": key[1]})
            return found
    return Schema("", raw)


_LEAVES: dict[tuple[str, str], Schema] = {}


def _derived(base: Schema, raw: Obj) -> Schema:
    """A definition under the rules of the field that refers to it."""
    merged = {**base.raw, **{k: v for k, v in raw.items() if k.startswith("x-kubernetes-")}}
    return Schema(base.name, merged, definition=base)
