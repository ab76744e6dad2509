"""The two operations on values under server-side apply: merging a configuration in, and removing a set of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pocketkube.api.meta import fieldsets, fieldwalk
from pocketkube.api.meta.fieldsets import MEMBER, FieldSet

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Obj = dict[str, Any]


def merged(live: Any, config: Any, schema: Schema | None) -> Any:
    """`live` with everything `config` sets; what it does not name stays. Shares what it does not touch."""
    if live == config:
        return live
    if fieldwalk.is_granular_map(config, schema) and type(live) is dict:
        out = dict(live)
        for key, value in config.items():
            child = schema.field(key) if schema is not None else None
            out[key] = merged(live[key], value, child) if key in live else value
        return out
    if fieldwalk.is_associative(config, schema) and type(live) is list:
        assert schema is not None
        return _merged_items(live, config, schema)
    return config


def _merged_items(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """Both orders are kept as far as they agree; where they do not, the configuration's wins."""
    wanted = fieldwalk.elements(config, schema)
    try:
        there = fieldwalk.elements(live, schema)
    except fieldwalk.Unkeyed:
        return config
    left, right = list(there), list(wanted)
    shared = iter([name for name in right if name in there])
    following = next(shared, None)
    done: set[str] = set()
    out: list[Any] = []

    def take(name: str) -> None:
        done.add(name)
        out.append(merged(there[name], wanted[name], schema.items) if name in there else wanted[name])

    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                take(left[i])
                i, j, following = i + 1, j + 1, next(shared, None)
                continue
            if left[i] in wanted and following is not None and following != left[i]:
                i += 1  # it comes later, where the configuration has it
                continue
        if i < len(left):
            if left[i] not in wanted:
                out.append(there[left[i]])
                i += 1
                continue
            if left[i] in done:
                i += 1
        if j < len(right):
            name = right[j]
            take(name)
            j += 1
            if following == name:
                following = next(shared, None)
    return out


def removed(value: Any, fields: FieldSet, schema: Schema | None) -> Any:
    """`value` without the paths in `fields`; None where that leaves nothing of it."""
    if fieldwalk.is_granular_map(value, schema):
        return _removed_fields(value, fields, schema)
    if fieldwalk.is_associative(value, schema):
        assert schema is not None
        return _removed_items(value, fields, schema)
    return value


def _removed_fields(value: Obj, fields: FieldSet, schema: Schema | None) -> Obj | None:
    out = dict(value)
    emptied = False
    for element, node in fields.items():
        key = element[2:]
        if not element.startswith("f:") or key not in out:
            continue
        child = schema.field(key) if schema is not None else None
        if fieldsets.is_member(node):
            del out[key]
            continue
        left = removed(out[key], node, child)
        if left is None:
            emptied = True  # it goes, but what holds it stays
            del out[key]
        else:
            out[key] = left
    return out if out or emptied or not value else None


def _removed_items(value: list[Any], fields: FieldSet, schema: Schema) -> list[Any] | None:
    out: list[Any] = []
    for item in value:
        try:
            node = fields.get(fieldwalk.element(item, schema))
        except fieldwalk.Unkeyed:
            node = None
        if node is None:
            out.append(item)
        elif not fieldsets.is_member(node):
            out.append(removed(item, node, schema.items) or {})
    return out or (None if value else value)


def with_structs(fields: FieldSet, schema: Schema | None) -> FieldSet:
    """The set with every struct field that has something below it counted as in it."""
    out: FieldSet = {}
    for element, node in fields.items():
        if element == "." or not node:
            out[element] = node
            continue
        child = _child(element, schema)
        inner = with_structs(node, child)
        named = schema is not None and element.startswith("f:") and element[2:] in schema.fields
        out[element] = {".": MEMBER, **inner} if named and "." not in inner else inner
    return out


def _child(element: str, schema: Schema | None) -> Schema | None:
    if schema is None:
        return None
    return schema.field(element[2:]) if element.startswith("f:") else schema.items
