"""Schemas as OpenAPI v2 definitions and v3 components: the `or null` of the source taken back, references renamed.

Built-in definitions are rendered from the published schemas; custom ones by upstream's rules for publishing a CRD.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pocketkube.api.schema import definitions

Obj = dict[str, Any]

V2 = "#/definitions/"
V3 = "#/components/schemas/"

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY_WORDS = "An amount of a resource: a number with an optional suffix, such as 500m, 1.5, 2Gi or 1e3."
_INT_OR_STRING_WORDS = "An integer or a string, such as a port's number or its name, a count or a percentage."


def definitions_v2(names: Iterable[str] = ()) -> dict[str, Obj]:
    """Definition name to OpenAPI v2 schema: all built-in ones, or `names` and everything they refer to."""
    return {name: _named_v2(name) for name in _wanted(names)}


def components_v3(names: Iterable[str] = ()) -> dict[str, Obj]:
    """Component name to OpenAPI v3 schema: all built-in ones, or `names` and everything they refer to."""
    return {name: _named_v3(name) for name in _wanted(names)}


def _wanted(names: Iterable[str]) -> list[str]:
    wanted = list(names)
    return sorted(closure(wanted) if wanted else definitions.load())


def closure(names: Iterable[str]) -> set[str]:
    """The definitions that these refer to, directly or not, and they themselves."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(_references(definitions.raw(name)))
    return found


def _references(value: Any) -> Iterable[str]:
    if type(value) is dict:
        ref = value.get("$ref")
        if type(ref) is str:
            yield ref.removeprefix(definitions.REF)
        for item in value.values():
            yield from _references(item)
    elif type(value) is list:
        for item in value:
            yield from _references(item)


def _named_v2(name: str) -> Obj:
    if name == _QUANTITY:
        return {"description": _QUANTITY_WORDS, "type": "string"}
    if name == _INT_OR_STRING:
        return {"description": _INT_OR_STRING_WORDS, "type": "string", "format": "int-or-string"}
    return v2(definitions.raw(name))


def _named_v3(name: str) -> Obj:
    if name == _QUANTITY:
        return {"description": _QUANTITY_WORDS, "oneOf": [{"type": "string"}, {"type": "number"}]}
    if name == _INT_OR_STRING:
        either = [{"type": "integer"}, {"type": "string"}]
        return {"description": _INT_OR_STRING_WORDS, "format": "int-or-string", "oneOf": either}
    return v3(definitions.raw(name))


def v2(raw: Obj, *, custom: bool = False) -> Obj:
    """One raw schema as OpenAPI v2."""
    return _published(raw) if custom else _render(raw, V2)


def v3(raw: Obj, *, custom: bool = False) -> Obj:
    """One raw schema as OpenAPI v3."""
    return _trimmed(raw) if custom else _render(raw, V3)


def identity(prefix: str) -> Obj:
    """The properties that whole objects have: apiVersion, kind and metadata."""
    known = definitions.raw("io.k8s.api.core.v1.ConfigMap")["properties"]
    return {name: _property(name, known[name], prefix) for name in ("apiVersion", "kind", "metadata")}


def _embedded(out: Obj, prefix: str) -> Obj:
    """Objects inside an object say what they are."""
    out["properties"] = {**(out.get("properties") or {}), **identity(prefix)}
    required = list(out.get("required") or ())
    out["required"] = required + [name for name in ("kind", "apiVersion") if name not in required]
    return out


def _render(raw: Obj, prefix: str) -> Obj:
    out: Obj = {}
    for key, value in raw.items():
        if key == "properties":
            out[key] = {name: _property(name, prop, prefix) for name, prop in value.items()}
        elif key in ("items", "additionalProperties") and type(value) is dict:
            out[key] = _render(value, prefix)
        elif key == "$ref":
            out[key] = prefix + value.removeprefix(definitions.REF)
        elif key == "type":
            out[key] = next((t for t in value if t != "null"), "") if type(value) is list else value
        else:
            out[key] = value
    if prefix == V3 and "$ref" in out and len(out) > 1:
        out["allOf"] = [{"$ref": out.pop("$ref")}]
    return out


def _property(name: str, raw: Obj, prefix: str) -> Obj:
    """The source narrows apiVersion and kind to their one value, which upstream's documents do not."""
    out = _render(raw, prefix)
    if name in ("apiVersion", "kind"):
        out.pop("enum", None)
    return out


_FALSE_EXTENSIONS = frozenset(
    {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"}
)


def _trimmed(raw: Obj) -> Obj:
    """A CRD's schema without extensions that are false, which say nothing."""
    out: Obj = {}
    for key, value in raw.items():
        if key == "properties":
            out[key] = {name: _trimmed(prop) for name, prop in value.items()}
        elif key in ("items", "additionalProperties", "not") and type(value) is dict:
            out[key] = _trimmed(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            out[key] = [_trimmed(part) for part in value]
        elif not (key in _FALSE_EXTENSIONS and value is False):
            out[key] = value
    return _embedded(out, V3) if raw.get("x-kubernetes-embedded-resource") else out


_NOT_IN_V2 = frozenset({"allOf", "anyOf", "oneOf", "not", "nullable", "default"})


def _published(raw: Obj) -> Obj:
    """A CRD's schema for v2 clients, which validate: what v2 cannot say is left open rather than said wrongly."""
    kept = {k: v for k, v in raw.items() if k not in _NOT_IN_V2 and not (k in _FALSE_EXTENSIONS and v is False)}
    if raw.get("x-kubernetes-preserve-unknown-fields"):
        return {k: v for k, v in kept.items() if k not in ("type", "items", "properties", "required")}
    if raw.get("nullable"):
        for key in ("type", "items", "properties"):
            kept.pop(key, None)
    nullable = {name for name, prop in (raw.get("properties") or {}).items() if prop.get("nullable")}
    if nullable and kept.get("required"):  # v2 cannot say that they may be null
        kept["required"] = [name for name in kept["required"] if name not in nullable]
    if raw.get("x-kubernetes-int-or-string"):
        kept.pop("type", None)
    if type(kept.get("properties")) is dict:
        kept["properties"] = {name: _published(prop) for name, prop in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if type(kept.get(key)) is dict:
            kept[key] = _published(kept[key])
    return _embedded(kept, V2) if raw.get("x-kubernetes-embedded-resource") else kept
