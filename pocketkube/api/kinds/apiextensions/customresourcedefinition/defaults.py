"""Defaults in a CRD's schema: each must be a value that its own schema would take, and that pruning would leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema import Schema
from pocketkube.api.schema.model import MISSING

Obj = dict[str, Any]

_IDENTITY = ("metadata", "kind", "apiVersion")


def found(raw: Obj, path: str, *, root: bool = True) -> Iterator[FieldError]:
    """Everything wrong with the defaults in a schema that is structural."""
    default = raw.get("default", MISSING)
    if default is not MISSING:
        yield from _default(raw, default, f"{path}.default")
    for name, child in (raw.get("properties") or {}).items():
        below = f"{path}.properties[{name}]"
        if root and name in _IDENTITY:
            yield from _forbidden(child, below, f"must not be set in top-level {name}")
        else:
            yield from found(child, below, root=False)
    for name in ("items", "additionalProperties"):
        if isinstance(child := raw.get(name), dict):
            yield from found(child, f"{path}.{name}", root=False)


def _default(raw: Obj, default: Any, path: str) -> Iterator[FieldError]:
    schema = Schema("", raw, custom=True)
    pruned = orjson.loads(orjson.dumps(default))
    if isinstance(pruned, dict | list):
        schema.decode(pruned, mode="Ignore")
    if pruned != default:
        yield field.invalid(path, default, "must not have unknown fields")
    yield from schema.validate(default, path=path)


def _forbidden(raw: Obj, path: str, why: str) -> Iterator[FieldError]:
    if "default" in raw:
        yield field.forbidden(f"{path}.default", why)
    for name, child in (raw.get("properties") or {}).items():
        yield from _forbidden(child, f"{path}.properties[{name}]", why)
