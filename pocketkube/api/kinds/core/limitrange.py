"""LimitRange: least, most and default resources of the containers, pods and claims of a namespace."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.kinds.podspec import requirements
from pocketkube.api.meta import field, quantity
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.date("Created At", "When it was created."))
_KINDS = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")
_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_ORDER = (
    ("min", "max", "min", "min value {a} is greater than max value {b}"),
    ("min", "defaultRequest", "defaultRequest", "min value {a} is greater than default request value {b}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {a} is greater than max value {b}"),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {a} is greater than default limit value {b}",
    ),
    ("min", "default", "default", "min value {a} is greater than default value {b}"),
    ("default", "max", "default", "default value {a} is greater than max value {b}"),
)


def _default(obj: Obj) -> None:
    for item in workload.spec_of(obj).get("limits") or ():
        if item.get("type") == "Container":
            default = {**(item.get("max") or {}), **(item.get("default") or {})}
            request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
            if default:
                item["default"] = default
            if request:
                item["defaultRequest"] = request


def _validate(obj: Obj) -> Errors:
    items = obj["spec"].get("limits") or []
    wrong = checks.unique("spec.limits", [item.get("type") for item in items], "type")
    for at, item in enumerate(items):
        wrong += _item(item, f"spec.limits[{at}]")
    return wrong


def _item(item: Obj, path: str) -> Errors:
    kind = item.get("type", "")
    wrong = [field.invalid(f"{path}.type", kind, why) for why in checks.qualified(kind)]
    if not wrong and "/" not in kind and kind not in _TYPES:
        wrong.append(field.invalid(f"{path}.type", kind, "must be a standard limit type or fully qualified"))
    if kind == "Pod":
        why = "may not be specified when `type` is 'Pod'"
        wrong += [field.forbidden(f"{path}.{name}", why) for name in ("default", "defaultRequest") if item.get(name)]
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(name) or ()) for name in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        wrong.append(field.required(f"{path}.limits", why))
    for name in sorted({name for which in _KINDS for name in item.get(which) or ()}):
        wrong += _ordered({which: (item.get(which) or {}).get(name) for which in _KINDS}, name, path)
    return wrong


def _ordered(amounts: dict[str, Any], name: str, path: str) -> Errors:
    """min <= defaultRequest <= default <= max, as far as they are given."""
    wrong: Errors = []
    for low, high, at, words in _ORDER:
        a, b = amounts[low], amounts[high]
        if a is not None and b is not None and quantity.compare(str(a), str(b)) > 0:
            wrong.append(field.invalid(f"{path}.{at}[{name}]", amounts[at], words.format(a=a, b=b)))
    ratio = amounts["maxLimitRequestRatio"]
    if ratio is not None and quantity.compare(str(ratio), "1") < 0:
        wrong.append(field.invalid(f"{path}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1"))
    default, request = amounts["default"], amounts["defaultRequest"]
    if not requirements.overcommits(name) and None not in (default, request) and default != request:
        why = f"default value {default} must equal to defaultRequest value {request} in {name}"
        wrong.append(field.invalid(f"{path}.defaultRequest[{name}]", request, why))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp", "")]


KIND = Kind(
    group="",
    version="v1",
    kind="LimitRange",
    plural="limitranges",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.LimitRange"),
    short_names=("limits",),
    priority=10,
    has_generation=False,
    create_on_update=True,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
