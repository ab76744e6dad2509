"""Schemas of an OpenAPI v3 document with their references followed: one object for each definition, also where it holds itself."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_HEAD = "#/components/schemas/"


def by_kind(document: Obj) -> dict[tuple[str, str, str], Obj]:
    """(group, version, kind) -> schema, of the kinds that a document describes."""
    definitions = (document.get("components") or {}).get("schemas") or {}
    followed = _Followed(definitions)
    return {
        (named.get("group", ""), named.get("version", ""), named.get("kind", "")): followed.definition(name)
        for name, raw in definitions.items()
        for named in raw.get("x-kubernetes-group-version-kind") or ()
    }


class _Followed:
    def __init__(self, definitions: Obj):
        self._definitions = definitions
        self._made: dict[str, Obj] = {}

    def definition(self, name: str) -> Obj:
        if name not in self._made:
            made = self._made[name] = {}
            made.update(self._schema(self._definitions.get(name) or {}))
        return self._made[name]

    def _schema(self, raw: Obj) -> Obj:
        reference = raw.get("$ref") or next((part["$ref"] for part in raw.get("allOf") or () if "$ref" in part), "")
        if reference.startswith(_HEAD):
            return self.definition(reference.removeprefix(_HEAD))
        made = dict(raw)
        if isinstance(properties := raw.get("properties"), dict):
            made["properties"] = {name: self._schema(child) for name, child in properties.items()}
        for name in ("items", "additionalProperties"):
            if isinstance(raw.get(name), dict):
                made[name] = self._schema(raw[name])
        return made
