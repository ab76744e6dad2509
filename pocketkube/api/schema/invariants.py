"""What a custom resource must keep to beyond its OpenAPI: embedded objects say who they are, lists of sets and maps repeat nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from pocketkube.api.meta import field, names
from pocketkube.api.meta.object_meta import embedded_faults
from pocketkube.api.schema.value_checks import Errors

Obj = dict[str, Any]
Check = Callable[[Any, str, Errors], None]  # (value, its path, errors to add to)


def embedded(raw: Obj) -> Check | None:
    """A check of the embedded objects in or below a schema; None where there are none."""
    return _compiled(raw, lambda part: _identified if part.get("x-kubernetes-embedded-resource") else None)


def list_types(raw: Obj) -> Check | None:
    """A check of the lists of type set and map in or below a schema; None where there are none."""
    return _compiled(raw, _distinct)


def _compiled(raw: Obj, own: Callable[[Obj], Check | None]) -> Check | None:
    mine = own(raw)
    properties = raw.get("properties") or {}
    fields = {name: made for name, part in properties.items() if (made := _compiled(part, own))}
    items, others = (_compiled(raw[name], own) if isinstance(raw.get(name), dict) else None for name in _BELOW)
    if mine is None and not fields and items is None and others is None:
        return None

    def check(value: Any, path: str, found: Errors) -> None:
        if mine is not None:
            mine(value, path, found)
        if type(value) is dict:
            for name, below in fields.items():
                if name in value:
                    below(value[name], field.child(path, name), found)
            if others is not None:
                for name, item in value.items():
                    if name not in properties:
                        others(item, f"{path}[{name}]", found)
        elif type(value) is list and items is not None:
            for index, item in enumerate(value):
                items(item, f"{path}[{index}]", found)

    return check


_BELOW = ("items", "additionalProperties")


def _identified(value: Any, path: str, found: Errors) -> None:
    if type(value) is not dict:
        return
    for name in ("apiVersion", "kind"):
        text, place = value.get(name), field.child(path, name)
        if name not in value:
            found.append(field.required(place, "must not be empty"))
        elif not isinstance(text, str) or not text:
            found.append(field.invalid(place, text, "must not be empty" if text == "" else "must be a string"))
        elif name == "apiVersion" and text.count("/") > 1:
            found.append(field.invalid(place, text, f"unexpected GroupVersion string: {text}"))
        elif name == "kind" and (why := names.is_dns1035(text.lower())):
            words = "may have mixed case, but should otherwise match: " + ",".join(why)
            found.append(field.invalid(place, text, words))
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        found += [replace(fault, field=field.child(path, fault.field)) for fault in embedded_faults(metadata)]


def _distinct(raw: Obj) -> Check | None:
    kind = raw.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return None
    keys = raw.get("x-kubernetes-list-map-keys") or () if kind == "map" else None
    properties = (raw.get("items") or {}).get("properties") or {}
    defaults = {key: part["default"] for key, part in properties.items() if "default" in part}

    def distinct(value: Any, path: str, found: Errors) -> None:
        if type(value) is not list:
            return
        seen: set[bytes] = set()
        for index, item in enumerate(value):
            shown = item
            if keys is not None:
                if type(item) is not dict:
                    continue
                shown = {key: item.get(key, defaults.get(key)) for key in keys if key in item or key in defaults}
            told = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)
            if told in seen:
                found.append(field.duplicate(f"{path}[{index}]", shown))
            seen.add(told)

    return distinct
