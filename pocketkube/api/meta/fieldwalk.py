"""From objects to field sets, by the schema's merge rules: what an object sets, and what differs between two.

Structs and granular maps are walked; atomic maps and lists, empty containers and scalars are one path; items of a list of
type map are named by their keys, those of a set by their value. Values without a schema are walked as granular maps with
atomic lists. Parts that are equal are skipped by one comparison.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import orjson

from pocketkube.api.meta.fieldsets import MEMBER, FieldSet

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Obj = dict[str, Any]

# What no manager owns: identity and what only the server writes.
UNOWNED = frozenset({"apiVersion", "kind"})
UNOWNED_META = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)

_WHOLES_KEPT = 256
_WHOLE_SIZE = 16_384  # bytes of a field as JSON; larger ones are not remembered
_wholes: dict[tuple[Schema, str, bytes], FieldSet | None] = {}  # shared: field sets are never changed in place


class Unkeyed(Exception):
    """An item of a list of type map without its keys, or two with the same."""

    def __init__(self, detail: str):
        super().__init__(detail)
        self.detail = detail


def element(item: Any, schema: Schema) -> str:
    """The path element of an item of an associative list. Raises Unkeyed."""
    if schema.list_type == "set":
        return "v:" + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
    if type(item) is not dict:
        raise Unkeyed("associative list with keys may not have non-map elements")
    found: Obj = {}
    for key in schema.list_keys:
        value = item.get(key)
        if value is None:
            value = schema.item_defaults.get(key)
            if value is None:
                continue
        found[key] = value
    if not found:
        keys = ", ".join(f'"{k}"' for k in schema.list_keys)
        raise Unkeyed(f"associative list with keys has an element that omits all key fields {keys}")
    return "k:" + orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()


def elements(items: list[Any], schema: Schema) -> dict[str, Any]:
    """Path element to item. Raises Unkeyed."""
    found: dict[str, Any] = {}
    for item in items:
        name = element(item, schema)
        if name in found:
            raise Unkeyed(f"duplicate entries for key {name[2:]}")
        found[name] = item
    return found


def is_granular_map(value: Any, schema: Schema | None) -> bool:
    return type(value) is dict and (schema is None or schema.map_type != "atomic")


def is_associative(value: Any, schema: Schema | None) -> bool:
    return type(value) is list and schema is not None and schema.list_type != "atomic"


def field_set(value: Any, schema: Schema | None, *, stored: bool = False) -> FieldSet:
    """The paths that an applied configuration sets: leaves, items, entries of maps; not the structs around them.

    Raises Unkeyed, but for a `stored` value: lists in it whose items lack their keys are one path."""
    out: FieldSet = {}
    if is_granular_map(value, schema):
        named = schema.fields if schema is not None else {}
        for key, item in value.items():
            child = schema.field(key) if schema is not None else None
            inner = field_set(item, child, stored=stored)
            if item == [] and is_associative(item, child):
                continue  # no items are named, and the list is nobody's
            out["f:" + key] = inner if key in named or not inner else {".": MEMBER, **inner}
    elif is_associative(value, schema):
        assert schema is not None
        try:
            items = elements(value, schema)
        except Unkeyed:
            if stored:
                return MEMBER
            raise
        for name, item in items.items():
            inner = field_set(item, schema.items, stored=stored)
            out[name] = {".": MEMBER, **inner} if inner else MEMBER
    return out


def whole(value: Any, schema: Schema | None) -> FieldSet:
    """The node of a value that was not there before: its own path and all below."""
    out: FieldSet = {".": MEMBER}
    if is_granular_map(value, schema):
        for key, item in value.items():
            out["f:" + key] = whole(item, schema.field(key) if schema is not None else None)
    elif is_associative(value, schema):
        assert schema is not None
        try:
            for name, item in elements(value, schema).items():
                out[name] = whole(item, schema.items)
        except Unkeyed:
            return MEMBER
    return MEMBER if len(out) == 1 else out


def compare(old: Obj | None, new: Obj, schema: Schema, *, ignored: Collection[str] = ()) -> tuple[FieldSet, FieldSet]:
    """(added or modified, removed) paths between two whole objects, without what nobody owns and what is `ignored`, such as
    `spec` or `metadata.labels`.

    An object that was not there (None) is compared with one that nothing is set in: upstream's types hold some structs by
    value, and nobody comes to own those by setting a field in them."""
    changed: FieldSet = {}
    removed: FieldSet = {}
    creating = old is None
    old = _zero(schema) if old is None else old
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before is after or key in UNOWNED or key in ignored:
            continue
        if key == "metadata":
            inner = [name[9:] for name in ignored if name[:9] == "metadata."]
            unowned = UNOWNED_META.union(inner) if inner else UNOWNED_META
            before = {k: v for k, v in (before or {}).items() if k not in unowned}
            after = {k: v for k, v in (after or {}).items() if k not in unowned}
        elif creating and type(after) is dict and after:
            if (found := _new_of_equals(key, before, after, schema)) is not None:
                changed["f:" + key] = found
            continue
        if before != after:
            _compare_field(key, before, after, schema, changed, removed)
    return changed, removed


def _zero(schema: Schema) -> Obj:
    found = _zeros.get(schema)
    if found is None:
        found = _zeros[schema] = schema.zero()
    return found


_zeros: dict[Schema, Obj] = {}  # never changed in place


def _new_of_equals(key: str, zero: Any, value: Obj, schema: Schema) -> FieldSet | None:
    """What is set in a new object's field. What one template makes is the same each time: its fields are walked once."""
    text = orjson.dumps(value)
    known = (schema, key, text)
    found = _wholes.get(known)
    if found is None:
        changed: FieldSet = {}
        _compare_field(key, zero, value, schema, changed, {})
        found = changed.get("f:" + key)  # None where nothing differs from the zero value
        if len(_wholes) >= _WHOLES_KEPT:
            _wholes.clear()
        if len(text) <= _WHOLE_SIZE:
            _wholes[known] = found
    return found


def _compare_field(key: str, old: Any, new: Any, schema: Schema | None, changed: FieldSet, removed: FieldSet) -> None:
    """One field that differs; None is absent."""
    child = schema.field(key) if schema is not None else None
    if old is None and type(new) is list and schema is not None and not schema.custom and key not in schema.omitted:
        old = []  # Go writes such a list even where there is none
    if old is None:
        changed["f:" + key] = whole(new, child)
    elif new is None:
        removed["f:" + key] = whole(old, child)
    elif old != new:
        _compare_values("f:" + key, old, new, child, changed, removed)


def _compare_values(name: str, old: Any, new: Any, schema: Schema | None, changed: FieldSet, removed: FieldSet) -> None:
    more: FieldSet = {}
    less: FieldSet = {}
    if (old or new) and is_granular_map(old, schema) and is_granular_map(new, schema):
        _compare_maps(old, new, schema, more, less)
    elif (old or new) and is_associative(old, schema) and is_associative(new, schema):
        assert schema is not None
        try:
            _compare_items(elements(old, schema), elements(new, schema), schema, more, less)
        except Unkeyed:
            changed[name] = MEMBER
    else:
        changed[name] = MEMBER
    if more:
        changed[name] = more
    if less:
        removed[name] = less


def _compare_maps(old: Obj, new: Obj, schema: Schema | None, changed: FieldSet, removed: FieldSet) -> None:
    kept = 0
    for key, after in new.items():
        before = old.get(key)
        if before is None:
            if after is not None:
                _compare_field(key, None, after, schema, changed, removed)
            continue
        kept += 1
        if before is not after and before != after:
            _compare_field(key, before, after, schema, changed, removed)
    if kept < len(old):
        for key, before in old.items():
            if before is not None and key not in new:
                _compare_field(key, before, None, schema, changed, removed)


def _compare_items(old: Obj, new: Obj, schema: Schema, changed: FieldSet, removed: FieldSet) -> None:
    for name, after in new.items():
        before = old.get(name)
        if before is None:
            changed[name] = whole(after, schema.items)
        elif before is not after and before != after:
            _compare_values(name, before, after, schema.items, changed, removed)
    for name, before in old.items():
        if name not in new:
            removed[name] = whole(before, schema.items)
