"""Checks of single values by a raw schema: type, enumeration, text, number. A check takes a value and its path and adds field errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema import formats

Obj = dict[str, Any]
Errors = list[FieldError]
Check = Callable[[Any, str, Errors, Any], None]  # (value, its path, errors to add to, what it was or MISSING)

ROOT = "<nil>"  # what upstream names a failure of the whole object


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


def is_type_check(check: Check) -> bool:
    return getattr(check, "__name__", "") == "of_type"


def _wrong_type(path: str, value: Any, wanted: str) -> FieldError:
    name = type_name(value)
    return field.type_invalid(path or ROOT, name, f'{path} in body must be of type {wanted}: "{name}"'.lstrip())


def types(raw: Obj) -> Iterable[Check]:
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


def invalid(path: str, value: Any, words: str) -> FieldError:
    return field.invalid(path or ROOT, value, f"{path} in body {words}".lstrip())


def values(raw: Obj) -> Iterable[Check]:
    allowed = raw.get("enum")
    if not allowed:
        return
    shown = [v if isinstance(v, str) else orjson.dumps(v).decode() for v in allowed]

    def enum(value: Any, path: str, found: Errors, old: Any) -> None:
        if not any(type(value) is type(a) and value == a for a in allowed):
            found.append(field.not_supported(path or ROOT, value, shown))

    yield enum


def strings(raw: Obj) -> Iterable[Check]:
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
            found.append(invalid(path, value, f"should be at least {least} chars long"))

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
            found.append(invalid(path, value, f"should match '{pattern}'"))

    return matches


def _format(check: Callable[[str], bool], name: str) -> Check:
    def format(value: Any, path: str, found: Errors, old: Any) -> None:
        if isinstance(value, str) and not check(value):
            words = f'{path} in body must be of type {name}: "{value}"'.lstrip()
            found.append(field.type_invalid(path or ROOT, value, words))

    return format


def numbers(raw: Obj) -> Iterable[Check]:
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
            found.extend(invalid(path, value, words) for fails, words in bounds if fails(value))

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
