"""Validation of custom resources by their schema, in upstream's words.

A schema is compiled once into a short list of checks; a check takes a value and its path and adds field errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from pocketkube.api.meta import field
from pocketkube.api.schema import invariants
from pocketkube.api.schema.combined_checks import combinations
from pocketkube.api.schema.model import MISSING, Schema
from pocketkube.api.schema.value_checks import (
    ROOT,
    Check,
    Errors,
    invalid,
    is_type_check,
    numbers,
    strings,
    types,
    values,
)

Obj = dict[str, Any]


def validate(
    schema: Schema,
    obj: Any,
    *,
    path: str = "",
    old: Any = MISSING,
    warnings: list[str] | None = None,
    embedded: bool = True,
) -> Errors:
    """Every violation, in the schema's order. Built-in kinds are validated by their own functions, not by this.

    What is as it was in `old` may stay as wrong as it was; rules that it breaks are told as `warnings`. `embedded`:
    objects inside are judged too, whatever they were."""
    if not schema.custom:
        return []
    found: Errors = []
    schema.check(obj, path, found, old)
    in_embedded, in_lists = schema.invariants
    if embedded and in_embedded is not None:
        in_embedded(obj, path, found)
    if in_lists is not None:
        found += _repetitions(in_lists, obj, path, old)
    if schema.rules is not None:
        found += _BLOCKED if any(error.reason in _BLOCKING for error in found) else schema.rules(obj, old, warnings)
    return found


def _repetitions(check: invariants.Check, obj: Any, path: str, old: Any) -> Errors:
    """In lists of sets and maps; what is new where the old object had none."""
    found: Errors = []
    check(obj, path, found)
    if found and old is not MISSING:
        before: Errors = []
        check(old, path, before)
        return [] if before else found
    return found


# After these an object is not what its rules expect.
_BLOCKING = frozenset(
    f"FieldValue{reason}" for reason in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
)
_BLOCKED = [
    field.invalid(
        ROOT,
        None,
        "some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    )
]


def fill(schema: Schema) -> None:
    """The slots `check`, `invariants` and `rules` of a schema."""
    raw = schema.raw
    schema.check = build(raw, embedded=schema.embedded)
    schema.invariants = (invariants.embedded(raw), invariants.list_types(raw))
    schema.rules = _rules(raw)


def _rules(raw: Obj) -> Callable[[Any, Any, list[str] | None], Errors] | None:
    if not mentions_rules(raw):
        return None
    from pocketkube.api.schema import rules

    node = rules.Node(raw)
    return lambda obj, old, warnings: rules.check(node, obj, old, warnings)


def mentions_rules(raw: Obj) -> bool:
    """Whether there are rules in or below a schema."""
    if raw.get("x-kubernetes-validations"):
        return True
    below = [*(raw.get("properties") or {}).values(), raw.get("items"), raw.get("additionalProperties")]
    return any(mentions_rules(child) for child in below if isinstance(child, dict))


def build(raw: Obj, *, embedded: bool = False) -> Check:
    """One function for a raw schema. Below the root, metadata of embedded objects is not this schema's business."""
    checks = [
        *types(raw),
        *values(raw),
        *strings(raw),
        *numbers(raw),
        *_arrays(raw),
        *_objects(raw, embedded),
        *combinations(raw, build),
    ]
    nullable = bool(raw.get("nullable"))

    def run(value: Any, path: str, found: Errors, old: Any) -> None:
        if value is None and nullable:
            return
        before = len(found)
        for check in checks:
            check(value, path, found, old)
            if check is checks[0] and len(found) > before and is_type_check(check):
                break  # of the wrong type altogether: nothing else about it makes sense
        if len(found) > before and old is not MISSING and plain(old) == plain(value):
            del found[before:]

    return run


def _arrays(raw: Obj) -> Iterable[Check]:
    least, most = raw.get("minItems"), raw.get("maxItems")
    items = build(raw["items"], embedded=_embedded(raw["items"])) if isinstance(raw.get("items"), dict) else None
    keys = raw.get("x-kubernetes-list-map-keys") if raw.get("x-kubernetes-list-type") == "map" else None
    if least is None and most is None and items is None:
        return

    def array(value: Any, path: str, found: Errors, old: Any) -> None:
        if not isinstance(value, list):
            return
        if most is not None and len(value) > most:
            found.append(field.too_many(path, len(value), most))
        if least is not None and len(value) < least:
            found.append(invalid(path, len(value), f"should have at least {least} items"))
        if items is not None:
            olds = by_keys(old, keys) if keys and isinstance(old, list) else {}
            for index, item in enumerate(value):
                items(
                    item,
                    f"{path}[{index}]",
                    found,
                    olds.get(identity(item, keys), MISSING) if keys and olds else MISSING,
                )

    yield array


def plain(value: Any) -> bytes:
    """A value as one comparable text: True is not 1 here."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def identity(item: Any, keys: Sequence[str]) -> bytes:
    """By what an item of a list of type map is told apart."""
    return plain([item.get(key) for key in keys]) if isinstance(item, dict) else b""


def by_keys(items: list[Any], keys: Sequence[str]) -> dict[bytes, Any]:
    return {identity(item, keys): item for item in items if isinstance(item, dict)}


def _embedded(raw: Obj) -> bool:
    return bool(raw.get("x-kubernetes-embedded-resource"))


def _objects(raw: Obj, embedded: bool) -> Iterable[Check]:
    required = raw.get("required") or ()
    least, most = raw.get("minProperties"), raw.get("maxProperties")
    properties = {
        name: build(prop, embedded=_embedded(prop))
        for name, prop in (raw.get("properties") or {}).items()
        if not (embedded and name == "metadata" and not prop.get("properties"))
    }
    extra = raw.get("additionalProperties")
    others = build(extra, embedded=_embedded(extra)) if isinstance(extra, dict) else None
    if not required and least is None and most is None and not properties and others is None:
        return

    def fields(value: Any, path: str, found: Errors, old: Any) -> None:
        if not isinstance(value, dict):
            return
        if most is not None and len(value) > most:
            found.append(field.too_many(path or ROOT, len(value), most))
        if least is not None and len(value) < least:
            found.append(invalid(path, least, f"should have at least {least} properties"))
        for name in required:
            if name not in value:
                found.append(field.required(field.child(path, name)))
        olds = old if isinstance(old, dict) else {}
        for name, item in value.items():
            check = properties.get(name) or others
            if check is not None:
                check(item, field.child(path, name), found, olds.get(name, MISSING))

    yield fields
