"""Tables: columns, cells, what each row carries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pocketkube.api.kinds.kind import Column, Kind
from pocketkube.api.meta.table import since, table_object
from pocketkube.api.schema import Schema

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
OBJ: dict[str, Any] = {"metadata": {"name": "w", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"size": 3}}


def kind(**more: Any) -> Kind:
    schema = Schema.from_openapi({})
    return Kind(group="x.io", version="v1", kind="Widget", plural="widgets", namespaced=True, schema=schema, **more)


def names(table: dict[str, Any]) -> list[str]:
    return [c["name"] for c in table["columnDefinitions"]]


def test_a_plain_kind_shows_name_and_age() -> None:
    table = table_object(kind(), [OBJ], NOW, list_meta={"resourceVersion": "7"})
    assert names(table) == ["Name", "Age"] and table["metadata"] == {"resourceVersion": "7"}
    assert table["rows"][0]["cells"] == ["w", "60m"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")


def test_age_stands_before_wide_columns() -> None:
    columns = (Column("Size", "integer"), Column("Place", priority=1))
    table = table_object(
        kind(columns=columns, row=lambda o, _: [o["spec"]["size"], "here"]), [OBJ], NOW, include="None"
    )
    assert names(table) == ["Name", "Size", "Age", "Place"]
    assert table["rows"] == [{"cells": ["w", 3, "60m", "here"]}]


def test_a_kind_may_state_every_column() -> None:
    made = table_object(
        kind(columns=(Column("Name"), Column("Size")), row=lambda o, _: ["n", 1]), [OBJ], NOW, include="Object"
    )
    assert names(made) == ["Name", "Size"] and made["rows"] == [{"cells": ["n", 1], "object": OBJ}]


def test_unknown_age() -> None:
    assert since(None, NOW) == "<unknown>"
