"""What a custom resource that can be scaled must say of its replicas, at the paths that its definition names."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds.kind import ScalePaths
from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError

Obj = dict[str, Any]

_MOST = 2**31 - 1
_GO_NAMES = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}", type(None): "<nil>"}


def faults(at: ScalePaths, obj: Obj) -> list[FieldError]:
    """Of the whole object."""
    return _replicas(at.spec_replicas, obj) + status_faults(at, obj)


def status_faults(at: ScalePaths, obj: Obj) -> list[FieldError]:
    """Of what /status changes."""
    return _replicas(at.status_replicas, obj) + (_selector(at.selector, obj) if at.selector else [])


def _replicas(path: str, obj: Obj) -> list[FieldError]:
    found, why = _nested(path, obj, int)
    if why:
        return [field.invalid(f".{path}", 0, why)]
    if found is None or 0 <= found <= _MOST:
        return []
    why = "should be a non-negative integer" if found < 0 else f"should be less than or equal to {_MOST}"
    return [field.invalid(f".{path}", found, why)]


def _selector(path: str, obj: Obj) -> list[FieldError]:
    why = _nested(path, obj, str)[1]
    return [field.invalid(f".{path}", "", why)] if why else []


def _nested(path: str, obj: Any, wanted: type) -> tuple[Any, str]:
    """(what is at a path, None where nothing is; why it is not of the type that is wanted)."""
    passed = ""
    for step in path.split("."):
        if not isinstance(obj, dict):
            return None, _mistyped(f"{passed}.{step}", obj, "map[string]interface{}")
        if step not in obj:
            return None, ""
        obj, passed = obj[step], f"{passed}.{step}"
    return (obj, "") if type(obj) is wanted else (None, _mistyped(passed, obj, _GO_NAMES[wanted]))


def _mistyped(path: str, value: Any, wanted: str) -> str:
    shown = (
        {None: "<nil>", True: "true", False: "false"}.get(value, value) if not isinstance(value, dict | list) else value
    )
    name = _GO_NAMES.get(type(value), "map[string]interface {}")
    return f"{path} accessor error: {shown} is of the type {name}, expected {wanted}"
