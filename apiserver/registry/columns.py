"""Columns of custom resources: a CRD's printer columns become a row function. Paths are the simple JSONPath that CRDs allow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from pocketkube.api.kinds.kind import Column
from pocketkube.api.meta import table

Obj = dict[str, Any]
Find = Callable[[Iterable[Any]], Iterable[Any]]  # the values before a step -> those after it
Row = Callable[[Obj, datetime], list[Any]]

_STEP = re.compile(
    r"""\.?(?P<star>\*)|\.(?P<field>(?:\\.|[\w$/@-])+)|\[['"](?P<quoted>(?:\\.|[^'"])+)['"]\]|\[(?P<index>-?\d+|\*)\]
    |\[\?\(@\.(?P<left>[\w.\\/-]+)\s*(?P<test>==|!=)\s*(?P<right>"[^"]*"|'[^']*'|[\w.-]+)\)\]""",
    re.VERBOSE,
)
_NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
_AGE = Column(
    "Age", "date", "CreationTimestamp is a timestamp representing the server time when this object was created."
)


def compile_path(path: str) -> list[Find]:
    """The steps of `.status.conditions[?(@.type=="Ready")].status`. Raises ValueError for what it cannot read."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps, at = [], 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {path!r} from {text[at:]!r} on")
        steps.append(_step(match))
        at = match.end()
    return steps


def find(steps: list[Find], obj: Obj) -> list[Any]:
    values: Iterable[Any] = (obj,)
    for step in steps:
        values = step(values)
    return list(values)


def _step(match: re.Match[str]) -> Find:
    if match["field"] or match["quoted"]:
        name = re.sub(r"\\(.)", r"\1", match["field"] or match["quoted"])
        return lambda values: (value[name] for value in values if isinstance(value, dict) and name in value)
    if match["star"] or match["index"] == "*":
        return lambda values: (item for value in values for item in _all(value))
    if match["index"]:
        index = int(match["index"])
        return lambda values: (v[index] for v in values if isinstance(v, list) and -len(v) <= index < len(v))
    return _filter(match["left"], match["test"] == "==", match["right"].strip("\"'"))


def _all(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _filter(path: str, equal: bool, wanted: str) -> Find:
    steps = compile_path("." + path)

    def passes(item: Any) -> bool:
        found = find(steps, item) if isinstance(item, dict) else []
        return any((_text(value) == wanted) == equal for value in found)

    return lambda values: (item for value in values for item in _all(value) if passes(item))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def table_of(printer_columns: list[Obj]) -> tuple[tuple[Column, ...], Row | None]:
    """The columns of a kind and the function of its rows. Without printer columns: name and age."""
    if not printer_columns:
        printer_columns = [
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": _AGE.description}
        ]
    columns = [_NAME, *(_column(c) for c in printer_columns)]
    cells = [(_steps(c.get("jsonPath", "")), c.get("type", "string")) for c in printer_columns]

    def row(obj: Obj, now: datetime) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(_cell(find(steps, obj), kind, now) for steps, kind in cells)]

    return tuple(columns), row


def _steps(path: str) -> list[Find]:
    try:
        return compile_path(path)
    except ValueError:
        return [lambda values: ()]


def _column(column: Obj) -> Column:
    return Column(
        column["name"],
        column.get("type", "string"),
        column.get("description")
        or f"Custom resource definition column (in JSONPath format): {column.get('jsonPath', '')}",
        column.get("priority", 0),
        column.get("format", ""),
    )


def _cell(found: list[Any], kind: str, now: datetime) -> Any:
    """One value; of several the first. What does not fit the column's type is shown as nothing."""
    if not found:
        return None
    value = found[0]
    if kind == "date":
        return _since(value, now)
    if kind == "integer":
        return int(value) if isinstance(value, int | float) else None
    if kind == "number":
        return value if isinstance(value, int | float) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return _string(value) if len(found) == 1 else ",".join(_string(v) for v in found)


def _since(value: Any, now: datetime) -> str:
    try:
        return table.since(value, now)
    except (ValueError, TypeError, AttributeError):
        return "<invalid>"


def _string(value: Any) -> str:
    if isinstance(value, dict | list):
        import orjson

        return orjson.dumps(value).decode()
    return _text(value)
