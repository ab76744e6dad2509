"""Defaults in a CRD's schema: each must be a value that its own schema would take, and that pruning would leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema import Schema
from pocketkube.api.schema.model import MISSING
from pocketkube.api.schema.readers import Mismatch

Obj = dict[str, Any]

Around = Callable[[Any], Obj]

_IDENTITY = ("metadata", "kind", "apiVersion")
_EMBEDDED = "x-kubernetes-embedded-resource"
_ANYTHING: Obj = {"x-kubernetes-preserve-unknown-fields": True}
_OBJECT = Schema("", {"type": "object", _EMBEDDED: True, **_ANYTHING}, custom=True)


def found(raw: Obj, path: str, *, root: bool = True, around: Around | None = None) -> Iterator[FieldError]:
    """Everything wrong with the defaults in a schema that is structural. `around`: in the metadata of an embedded object,
    what makes that object of a value here."""
    around = None if raw.get(_EMBEDDED) else around
    default = raw.get("default", MISSING)
    if default is not MISSING:
        yield from _default(raw, default, f"{path}.default", around)
    for name, child in (raw.get("properties") or {}).items():
        below = f"{path}.properties[{name}]"
        if root and name in _IDENTITY:
            yield from _forbidden(child, below, f"must not be set in top-level {name}")
        else:
            yield from found(child, below, root=False, around=_around_field(raw, name, around))
    for name in ("items", "additionalProperties"):
        if isinstance(child := raw.get(name), dict):
            listed = around and name == "items"
            yield from found(child, f"{path}.{name}", root=False, around=_item_of(around) if listed else None)


def _around_field(raw: Obj, name: str, around: Around | None) -> Around | None:
    if raw.get(_EMBEDDED) and name in _IDENTITY:
        return lambda value: {"apiVersion": "validation/v1", "kind": "Validation", name: value}
    return (lambda value: around({name: value})) if around else None


def _item_of(around: Around | None) -> Around | None:
    return (lambda value: around([value])) if around else None


def _default(raw: Obj, default: Any, path: str, around: Around | None) -> Iterator[FieldError]:
    if around is not None:
        whole = around(orjson.loads(orjson.dumps(default)))
        if why := "; ".join(_refused(_OBJECT, whole)):
            yield field.invalid(path, default, f"must result in valid metadata: {why}")
    elif not _is_pruned(raw, default):
        yield field.invalid(path, default, "must not have unknown fields")
    elif why := "; ".join(_unreadable(Schema("", raw, custom=True), default)):
        yield field.invalid(path, default, why)
        return
    yield from Schema("", raw, custom=True).validate(default, path=path)


def _is_pruned(raw: Obj, default: Any) -> bool:
    """Whether pruning leaves it as it is; of metadata that is embedded nothing is pruned, since it has its own form."""
    if not isinstance(default, dict | list):
        return True
    pruned = orjson.loads(orjson.dumps(default))
    Schema("", _bare(raw), custom=True).decode(pruned, mode="Ignore")
    return bool(pruned == default)


def _bare(raw: Obj) -> Obj:
    """A schema whose embedded objects are like others, with anything for metadata."""
    made = {name: value for name, value in raw.items() if name not in (_EMBEDDED, "default")}
    for name in ("items", "additionalProperties"):
        if isinstance(raw.get(name), dict):
            made[name] = _bare(raw[name])
    properties = {name: _bare(child) for name, child in (raw.get("properties") or {}).items()}
    if raw.get(_EMBEDDED):
        properties |= dict.fromkeys(_IDENTITY, _ANYTHING)
    return made | ({"properties": properties} if properties else {})


def _unreadable(schema: Schema, value: Any) -> Iterator[str]:
    try:
        schema.read(schema, orjson.loads(orjson.dumps(value)), None, None)
    except Mismatch as wrong:
        yield wrong.sentence()


def _refused(schema: Schema, value: Any) -> Iterator[str]:
    """Why an object is none."""
    unreadable = list(_unreadable(schema, value))
    yield from unreadable or map(str, schema.validate(value))


def _forbidden(raw: Obj, path: str, why: str) -> Iterator[FieldError]:
    if "default" in raw:
        yield field.forbidden(f"{path}.default", why)
    for name, child in (raw.get("properties") or {}).items():
        yield from _forbidden(child, f"{path}.properties[{name}]", why)
