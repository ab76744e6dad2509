"""Checks that many kinds' validation shares, in upstream's words. Each takes a path and a value and returns what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pocketkube.api.meta import field, names, quantity
from pocketkube.api.meta.field import FieldError
from pocketkube.base.kept import remembered

Obj = dict[str, Any]
Errors = list[FieldError]

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"
_STANDARD_SCOPES = ("requests.", "limits.")


def on_update(validate: Callable[[Obj], Errors]) -> Callable[[Obj, Obj], Errors]:
    """For kinds whose updates are checked as their creation is, whatever they were before."""
    return lambda obj, old: validate(obj)


def not_negative(path: str, value: Any) -> Errors:
    return [field.invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def not_negative_fields(path: str, obj: Mapping[str, Any], *fields: str) -> Errors:
    """None of these integer fields may be below 0."""
    found: Errors = []
    for name in fields:
        value = obj.get(name)
        if value is not None and value < 0:
            found.append(field.invalid(f"{path}.{name}", value, NOT_NEGATIVE))
    return found


def one_of(path: str, value: Any, allowed: list[str]) -> Errors:
    """An enumeration that must be given."""
    if value in allowed:
        return []
    return [field.not_supported(path, value, allowed)] if value else [field.required(path)]


def named(path: str, value: str, check: Callable[[str], list[str]]) -> Errors:
    """Every complaint of a name check as an invalid value."""
    return [field.invalid(path, value, why) for why in check(value)]


@remembered(8192)
def dns_label(value: str) -> tuple[str, ...]:
    return tuple(names.is_dns_label(value))


@remembered(8192)
def dns_subdomain(value: str) -> tuple[str, ...]:
    return tuple(names.is_dns_subdomain(value))


@remembered(8192)
def qualified(value: str) -> tuple[str, ...]:
    return tuple(names.is_qualified_name(value))


@remembered(8192)
def label_value(value: str) -> tuple[str, ...]:
    return tuple(names.is_label_value(value))


def labels(path: str, found: Mapping[str, str] | None) -> Errors:
    """A map of labels: names and values."""
    wrong: Errors = []
    for key, value in (found or {}).items():
        wrong += [field.invalid(path, key, why) for why in qualified(key)]
        wrong += [field.invalid(path, value, why) for why in label_value(value)]
    return wrong


def annotation_map(path: str, found: Mapping[str, str] | None) -> Errors:
    wrong: Errors = []
    size = 0
    for key, value in (found or {}).items():
        wrong += [field.invalid(path, key, why) for why in qualified(key.lower())]
        size += len(key) + len(value)
    if size > 256 * 1024:
        wrong.append(field.too_long(path, 256 * 1024))
    return wrong


def selector(path: str, found: Mapping[str, Any] | None) -> Errors:
    """A LabelSelector."""
    if not found:
        return []
    wrong = labels(f"{path}.matchLabels", found.get("matchLabels"))
    for at, expression in enumerate(found.get("matchExpressions") or ()):
        wrong += _requirement(f"{path}.matchExpressions[{at}]", expression)
    return wrong


def _requirement(path: str, expression: Obj) -> Errors:
    wrong: Errors = []
    operator, values = expression.get("operator", ""), expression.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            wrong.append(field.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            wrong.append(field.forbidden(f"{path}.values", why))
    else:
        wrong.append(field.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    key = expression.get("key", "")
    wrong += [field.invalid(f"{path}.key", key, why) for why in qualified(key)]
    for at, value in enumerate(values):
        wrong += [field.invalid(f"{path}.values[{at}]", value, why) for why in label_value(value)]
    return wrong


def has_requirements(found: Mapping[str, Any] | None) -> bool:
    """Whether a LabelSelector asks for anything."""
    return bool(found) and bool((found or {}).get("matchLabels") or (found or {}).get("matchExpressions"))


def immutable(path: str, new: Any, old: Any, why: str = IMMUTABLE) -> Errors:
    return [] if new == old else [field.invalid(path, new, why)]


def quantity_text(path: str, value: Any) -> Errors:
    """A quantity of at least 0."""
    text = str(value)
    try:
        amount = quantity.parse(text)
    except ValueError as error:
        return [field.invalid(path, value, str(error))]
    return [field.invalid(path, text, NOT_NEGATIVE)] if amount < 0 else []


def positive_quantity(path: str, value: Any) -> Errors:
    text = str(value)
    return [] if quantity.is_valid(text) and quantity.parse(text) > 0 else [field.invalid(path, text, POSITIVE)]


def int_or_percent(path: str, value: Any) -> Errors:
    """A whole number of at least 0, or a percentage."""
    if isinstance(value, str):
        return [field.invalid(path, value, why) for why in names.is_percent(value)]
    return not_negative(path, value)


def percent_over(path: str, value: Any, most: int = 100) -> Errors:
    """A percentage may not exceed 100%."""
    if isinstance(value, str) and not names.is_percent(value) and int(value[:-1]) > most:
        return [field.invalid(path, value, f"must not be greater than {most}%")]
    return []


def port_number_or_name(path: str, value: Any) -> Errors:
    if isinstance(value, str):
        return [field.invalid(path, value, why) for why in names.is_port_name(value)]
    return [field.invalid(path, value, why) for why in names.is_port_number(value)]


def ip(path: str, value: str) -> Errors:
    return [field.invalid(path, value, why) for why in _ip(value)]


@remembered(8192)
def _ip(value: str) -> tuple[str, ...]:
    return tuple(names.is_ip(value))


def reference(path: str, found: Mapping[str, Any]) -> Errors:
    """A reference to an object by kind and name, both parts of a URL."""
    wrong: Errors = []
    for name in ("kind", "name"):
        value = found.get(name) or ""
        wrong += named(f"{path}.{name}", value, names.is_path_segment) if value else [field.required(f"{path}.{name}")]
    return wrong


def driver_name(path: str, name: str) -> Errors:
    """The name of a storage driver."""
    if not name:
        return [field.required(path)]
    wrong = [field.too_long(path, 63)] if len(name) > 63 else []
    return wrong + [field.invalid(path, name, why) for why in dns_subdomain(name.lower())]


def unique(path: str, values: Iterable[Any], name: str = "") -> Errors:
    """No value twice in a list; `name` is the field within each element."""
    seen: set[Any] = set()
    wrong: Errors = []
    for at, value in enumerate(values):
        if value in seen:
            wrong.append(field.duplicate(f"{path}[{at}]{'.' + name if name else ''}", value))
        seen.add(value)
    return wrong
