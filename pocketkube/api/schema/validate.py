"""Validation of custom resources by their schema, in upstream's words.

A schema is compiled once into a short list of checks; a check takes a value and its path and adds field errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema import formats
from pocketkube.api.schema.model import MISSING, Schema

Obj = dict[str, Any]
Errors = list[FieldError]
Check = Callable[[Any, str, Errors, Any], None]  # (value, its path, errors to add to, what it was or MISSING)

ROOT = "<nil>"  # what upstream names a failure of the whole object


def validate(
    schema: Schema, obj: Any, *, path: str = "", old: Any = MISSING, warnings: list[str] | None = None
) -> Errors:
    """Every violation, in the schema's order. Built-in kinds are validated by their own functions, not by this.

    What is as it was in `old` may stay as wrong as it was; rules that it breaks are told as `warnings`."""
    if not schema.custom:
        return []
    found: Errors = []
    schema.check(obj, path, found, old)
    if schema.rules is not None:
        found += _BLOCKED if any(error.reason in _BLOCKING for error in found) else schema.rules(obj, old, warnings)
    return found


# After these an object is not what its rules expect.
_BLOCKING = frozenset(("FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"))
_BLOCKED = [
    field.invalid(
        ROOT,
        None,
        "some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    )
]


def fill(schema: Schema) -> None:
    """The slots `check` and `rules` of a schema."""
    raw = schema.raw
    schema.check = build(raw, embedded=schema.embedded)
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
        *_types(raw),
        *_values(raw),
        *_strings(raw),
        *_numbers(raw),
        *_arrays(raw),
        *_objects(raw, embedded),
        *_logic(raw),
    ]
    nullable = bool(raw.get("nullable"))

    def run(value: Any, path: str, found: Errors, old: Any) -> None:
        if value is None and nullable:
            return
        before = len(found)
        for check in checks:
            check(value, path, found, old)
            if check is checks[0] and len(found) > before and _is_type_check(check):
                break  # of the wrong type altogether: nothing else about it makes sense
        if len(found) > before and old is not MISSING and plain(old) == plain(value):
            del found[before:]

    return run


def type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _is_type(value: Any, wanted: str) -> bool:
    found = type_name(value)
    if found == wanted or (found == "integer" and wanted == "number"):
        return True
    return wanted == "integer" and isinstance(value, float) and value.is_integer()


def _is_type_check(check: Check) -> bool:
    return getattr(check, "__name__", "") == "of_type"


def _wrong_type(path: str, value: Any, wanted: str) -> FieldError:
    name = type_name(value)
    return field.type_invalid(path or ROOT, name, f'{path} in body must be of type {wanted}: "{name}"'.lstrip())


def _types(raw: Obj) -> Iterable[Check]:
    wanted = raw.get("type", "")
    either = raw.get("x-kubernetes-int-or-string")
    if not wanted and not either:
        return

    def of_type(value: Any, path: str, found: Errors, old: Any) -> None:
        if either:
            if not _is_type(value, "integer") and not isinstance(value, str):
                found.append(_wrong_type(path, value, "integer,string"))
        elif not _is_type(value, wanted):
            found.append(_wrong_type(path, value, wanted))

    yield of_type


def _invalid(path: str, value: Any, words: str) -> FieldError:
    return field.invalid(path or ROOT, value, f"{path} in body {words}".lstrip())


def _values(raw: Obj) -> Iterable[Check]:
    allowed = raw.get("enum")
    if not allowed:
        return
    shown = [v if isinstance(v, str) else orjson.dumps(v).decode() for v in allowed]

    def enum(value: Any, path: str, found: Errors, old: Any) -> None:
        if not any(type(value) is type(a) and value == a for a in allowed):
            found.append(field.not_supported(path or ROOT, value, shown))

    yield enum


def _strings(raw: Obj) -> Iterable[Check]:
    checks = [_length(raw.get("minLength"), raw.get("maxLength"))] if "maxLength" in raw or "minLength" in raw else []
    if "pattern" in raw:
        checks.append(_pattern(raw["pattern"]))
    if checks:
        yield _first(checks)
    check = formats.STRINGS.get(raw.get("format", ""))
    if check is not None:
        yield _format(check, raw["format"])


def _first(checks: list[Check]) -> Check:
    """What the first of these says that has something to say."""

    def first(value: Any, path: str, found: Errors, old: Any) -> None:
        before = len(found)
        for check in checks:
            check(value, path, found, old)
            if len(found) > before:
                return

    return first


def _length(least: int | None, most: int | None) -> Check:
    def length(value: Any, path: str, found: Errors, old: Any) -> None:
        if not isinstance(value, str):
            return
        if most is not None and len(value) > most:
            found.append(field.too_long(path or ROOT, most))
        elif least is not None and len(value) < least:
            found.append(_invalid(path, value, f"should be at least {least} chars long"))

    return length


def _pattern(pattern: str) -> Check:
    import re2  # linear time: a pattern comes from whoever may write a CRD

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        expression = re2.compile(pattern, quiet)
    except re2.error:
        return lambda value, path, found, old: None

    def matches(value: Any, path: str, found: Errors, old: Any) -> None:
        if isinstance(value, str) and expression.search(value) is None:
            found.append(_invalid(path, value, f"should match '{pattern}'"))

    return matches


def _format(check: Callable[[str], bool], name: str) -> Check:
    def format(value: Any, path: str, found: Errors, old: Any) -> None:
        if isinstance(value, str) and not check(value):
            words = f'{path} in body must be of type {name}: "{value}"'.lstrip()
            found.append(field.type_invalid(path or ROOT, value, words))

    return format


def _numbers(raw: Obj) -> Iterable[Check]:
    bounds: list[tuple[Callable[[float], bool], str]] = []
    if "minimum" in raw:
        low, strict = raw["minimum"], raw.get("exclusiveMinimum")
        words = f"should be greater than {'' if strict else 'or equal to '}{_number(low)}"
        bounds.append((lambda v: v <= low if strict else v < low, words))
    if "maximum" in raw:
        high, below = raw["maximum"], raw.get("exclusiveMaximum")
        words = f"should be less than {'' if below else 'or equal to '}{_number(high)}"
        bounds.append((lambda v: v >= high if below else v > high, words))
    if "multipleOf" in raw:
        factor = raw["multipleOf"]
        bounds.append((lambda v: bool(_remainder(v, factor)), f"should be a multiple of {_number(factor)}"))

    def within(value: Any, path: str, found: Errors, old: Any) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.extend(_invalid(path, value, words) for fails, words in bounds if fails(value))

    if bounds:
        yield within


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)


def _remainder(value: float, factor: float) -> float:
    """Tolerant of binary fractions: 0.3 is a multiple of 0.1."""
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor
    quotient = value / factor
    return 0 if abs(quotient - round(quotient)) < 1e-9 else 1


def _arrays(raw: Obj) -> Iterable[Check]:
    least, most = raw.get("minItems"), raw.get("maxItems")
    items = build(raw["items"], embedded=_embedded(raw["items"])) if isinstance(raw.get("items"), dict) else None
    unique = raw.get("uniqueItems") or raw.get("x-kubernetes-list-type") == "set"
    keys = raw.get("x-kubernetes-list-map-keys") if raw.get("x-kubernetes-list-type") == "map" else None
    if least is None and most is None and items is None and not unique and not keys:
        return
    defaults = {k: p["default"] for k, p in (raw.get("items") or {}).get("properties", {}).items() if "default" in p}

    def array(value: Any, path: str, found: Errors, old: Any) -> None:
        if not isinstance(value, list):
            return
        if most is not None and len(value) > most:
            found.append(field.too_many(path, len(value), most))
        if least is not None and len(value) < least:
            found.append(_invalid(path, len(value), f"should have at least {least} items"))
        if items is not None:
            olds = by_keys(old, keys) if keys and isinstance(old, list) else {}
            for index, item in enumerate(value):
                items(
                    item,
                    f"{path}[{index}]",
                    found,
                    olds.get(identity(item, keys), MISSING) if keys and olds else MISSING,
                )
        if unique or keys:
            _distinct(value, path, keys, defaults, found)

    yield array


def _distinct(value: list[Any], path: str, keys: list[str] | None, defaults: Obj, found: Errors) -> None:
    seen: set[bytes] = set()
    for index, item in enumerate(value):
        shown = item
        if keys:
            if not isinstance(item, dict):
                continue
            shown = {k: item.get(k, defaults.get(k)) for k in keys if k in item or k in defaults}
        identity = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)
        if identity in seen:
            found.append(field.duplicate(f"{path}[{index}]", shown))
        seen.add(identity)


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
    if not required and least is None and most is None and not properties and others is None and not embedded:
        return

    def fields(value: Any, path: str, found: Errors, old: Any) -> None:
        if not isinstance(value, dict):
            return
        if embedded:
            _identified(value, path, found)
        if most is not None and len(value) > most:
            found.append(field.too_many(path or ROOT, len(value), most))
        if least is not None and len(value) < least:
            found.append(_invalid(path, least, f"should have at least {least} properties"))
        for name in required:
            if name not in value:
                found.append(field.required(field.child(path, name)))
        olds = old if isinstance(old, dict) else {}
        for name, item in value.items():
            check = properties.get(name) or others
            if check is not None:
                check(item, field.child(path, name), found, olds.get(name, MISSING))

    yield fields


def _identified(value: Obj, path: str, found: Errors) -> None:
    """An embedded object says what it is."""
    for name in ("apiVersion", "kind"):
        if not isinstance(value.get(name), str):
            found.append(field.required(field.child(path, name), "must not be empty"))
        elif not value[name]:
            found.append(field.invalid(field.child(path, name), "", "must not be empty"))


def _logic(raw: Obj) -> Iterable[Check]:
    if raw.get("allOf"):
        parts = [build(part) for part in raw["allOf"]]
        yield lambda value, path, found, old: _all_of(parts, value, path, found)
    if raw.get("anyOf"):
        choices = [build(part) for part in raw["anyOf"]]
        yield lambda value, path, found, old: _any_of(choices, value, path, found)
    if raw.get("oneOf"):
        exact = [build(part) for part in raw["oneOf"]]
        yield lambda value, path, found, old: _one_of(exact, value, path, found)
    if raw.get("not"):
        never = build(raw["not"])
        yield lambda value, path, found, old: _none_of(never, value, path, found)


def _fails(check: Check, value: Any, path: str) -> Errors:
    found: Errors = []
    check(value, path, found, MISSING)
    return found


def _whole(path: str, words: str) -> FieldError:
    return field.invalid(ROOT, "", f'"{path}" {words}')


def _shortest(failed: list[Errors]) -> Errors:
    """The alternative that came closest: the one to tell about."""
    return min(failed, key=lambda errors: len(errors))


def _all_of(parts: list[Check], value: Any, path: str, found: Errors) -> None:
    failed = [errors for part in parts if (errors := _fails(part, value, path))]
    if failed:
        none = ". None validated" if len(failed) == len(parts) else ""
        found.append(_whole(path, f"must validate all the schemas (allOf){none}"))
        found.extend(error for errors in failed for error in errors)


def _any_of(choices: list[Check], value: Any, path: str, found: Errors) -> None:
    failed = [_fails(choice, value, path) for choice in choices]
    if all(failed):
        found.append(_whole(path, "must validate at least one schema (anyOf)"))
        found.extend(_shortest(failed))


def _one_of(choices: list[Check], value: Any, path: str, found: Errors) -> None:
    failed = [_fails(choice, value, path) for choice in choices]
    valid = sum(not errors for errors in failed)
    if valid == 1:
        return
    why = "Found none valid" if not valid else f"Found {valid} valid alternatives"
    found.append(_whole(path, f"must validate one and only one schema (oneOf). {why}"))
    if not valid:
        found.extend(_shortest(failed))


def _none_of(never: Check, value: Any, path: str, found: Errors) -> None:
    if not _fails(never, value, path):
        found.append(_whole(path, "must not validate the schema (not)"))
