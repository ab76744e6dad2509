"""Objects become a `Table`: what `kubectl get` asks for and prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pocketkube.api.meta import times

if TYPE_CHECKING:
    from pocketkube.api.kinds.kind import Column, Kind

Obj = dict[str, Any]

GROUP = "meta.k8s.io"

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
    kind: Kind,
    objects: Iterable[Obj],
    now: datetime,
    *,
    include: str = "Metadata",
    list_meta: Obj | None = None,
    version: str = "v1",
) -> Obj:
    """A `Table` of the objects as of `now`; `version` is that of meta.k8s.io.

    `include`: Metadata puts each object's PartialObjectMetadata into its row, Object the object itself, None nothing.
    `list_meta` is the list's own metadata (resourceVersion, continue). Columns are the kind's, with Name before and Age
    behind the ones that are always shown, unless the kind states Name itself.
    """
    states_all, wide = _arrangement(kind)
    rows = []
    for obj in objects:
        cells = kind.row(obj, now) if kind.row is not None else []
        if not states_all:
            cells = [obj["metadata"].get("name", ""), *cells[:wide], age(obj, now), *cells[wide:]]
        rows.append(_row(cells, obj, include, version))
    return {
        "kind": "Table",
        "apiVersion": f"{GROUP}/{version}",
        "metadata": list_meta or {},
        "columnDefinitions": definitions(kind),
        "rows": rows,
    }


def _arrangement(kind: Kind) -> tuple[bool, int]:
    """Whether the kind states Name and Age itself, and before which of its columns Age stands otherwise."""
    columns = kind.columns
    wide = next((i for i, c in enumerate(columns) if c.priority > 0), len(columns))
    return any(column.name == "Name" for column in columns), wide


def definitions(kind: Kind) -> list[Obj]:
    """A table's columns."""
    states_all, wide = _arrangement(kind)
    found = [_definition(column) for column in kind.columns]
    return found if states_all else [_NAME, *found[:wide], _AGE, *found[wide:]]


def _definition(column: Column) -> Obj:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(cells: list[Any], obj: Obj, include: str, version: str) -> Obj:
    row: Obj = {"cells": cells}
    if include == "Metadata":
        row["object"] = partial_metadata(obj, version)
    elif include == "Object":
        row["object"] = obj
    return row


def partial_metadata(obj: Obj, version: str = "v1") -> Obj:
    """The object's metadata alone, as `PartialObjectMetadata`."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"{GROUP}/{version}", "metadata": obj["metadata"]}


def age(obj: Obj, now: datetime) -> str:
    """Time since creation as kubectl prints it."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def since(timestamp: str | None, now: datetime) -> str:
    """Time since a timestamp; `<unknown>` where there is none."""
    return times.age(now - times.parse(timestamp)) if timestamp else "<unknown>"
