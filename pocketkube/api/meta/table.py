"""Objects become a `Table`: what `kubectl get` asks for and prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pocketkube.api.meta import times

if TYPE_CHECKING:
    from pocketkube.api.kinds.kind import Column, Kind

Obj = dict[str, Any]

API_VERSION = "meta.k8s.io/v1"

_NAME: Obj = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "The name of the object, unique among those of its kind in its namespace.",
    "priority": 0,
}
_AGE: Obj = {
    "name": "Age",
    "type": "string",
    "format": "",
    "description": "How long ago the object was created.",
    "priority": 0,
}


def table_object(
    kind: Kind, objects: Iterable[Obj], now: datetime, *, include: str = "Metadata", list_meta: Obj | None = None
) -> Obj:
    """A `Table` of the objects as of `now`.

    `include`: Metadata puts each object's PartialObjectMetadata into its row, Object the object itself, None nothing.
    `list_meta` is the list's own metadata (resourceVersion, continue). Columns are the kind's, with Name before and Age
    behind the ones that are always shown, unless the kind states Name itself.
    """
    columns = kind.columns
    states_all = any(column.name == "Name" for column in columns)
    wide = next((i for i, c in enumerate(columns) if c.priority > 0), len(columns))
    rows = []
    for obj in objects:
        cells = kind.row(obj, now) if kind.row is not None else []
        if not states_all:
            cells = [obj["metadata"].get("name", ""), *cells[:wide], age(obj, now), *cells[wide:]]
        rows.append(_row(cells, obj, include))
    return {
        "kind": "Table",
        "apiVersion": API_VERSION,
        "metadata": list_meta or {},
        "columnDefinitions": _definitions(columns, wide, states_all),
        "rows": rows,
    }


def _definitions(columns: tuple[Column, ...], wide: int, states_all: bool) -> list[Obj]:
    found = [_definition(column) for column in columns]
    return found if states_all else [_NAME, *found[:wide], _AGE, *found[wide:]]


def _definition(column: Column) -> Obj:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(cells: list[Any], obj: Obj, include: str) -> Obj:
    row: Obj = {"cells": cells}
    if include == "Metadata":
        row["object"] = partial_metadata(obj)
    elif include == "Object":
        row["object"] = obj
    return row


def partial_metadata(obj: Obj) -> Obj:
    """The object's metadata alone, as `PartialObjectMetadata`."""
    return {"kind": "PartialObjectMetadata", "apiVersion": API_VERSION, "metadata": obj["metadata"]}


def age(obj: Obj, now: datetime) -> str:
    """Time since creation as kubectl prints it."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def since(timestamp: str | None, now: datetime) -> str:
    """Time since a timestamp; `<unknown>` where there is none."""
    return times.age(now - times.parse(timestamp)) if timestamp else "<unknown>"
