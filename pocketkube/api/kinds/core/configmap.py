"""ConfigMap: configuration as text and bytes, for pods to read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Data", "How many entries it has."), columns.AGE)
_MOST = 1024 * 1024  # bytes of all values together
_SET = "field is immutable when `immutable` is set"


def _validate(obj: Obj) -> Errors:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    wrong: Errors = []
    size = 0
    for key, value in data.items():
        wrong += [field.invalid(f"data[{key}]", key, why) for why in names.is_config_key(key)]
        if key in binary:
            wrong.append(field.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len(value.encode())
    for key, value in binary.items():
        wrong += [field.invalid(f"binaryData[{key}]", key, why) for why in names.is_config_key(key)]
        size += decoded_size(value)
    return [*wrong, field.too_long("", _MOST)] if size > _MOST else wrong


def decoded_size(text: str) -> int:
    """Bytes that base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return frozen(obj, old, "data", "binaryData") + _validate(obj)


def frozen(obj: Obj, old: Obj, *fields: str) -> Errors:
    """Once `immutable` is true these fields and itself stay."""
    if not old.get("immutable"):
        return []
    wrong: Errors = [] if obj.get("immutable") else [field.forbidden("immutable", _SET)]
    return wrong + [field.forbidden(name, _SET) for name in fields if (obj.get(name) or {}) != (old.get(name) or {})]


def _row(obj: Obj, now: datetime) -> list[Any]:
    count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [obj["metadata"]["name"], count, columns.age(obj, now)]


KIND = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ConfigMap"),
    short_names=("cm",),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
)
