"""Tables, YAML, names and custom columns as kubectl prints them."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl import printers
from kubectl.describing.writing import Page
from kubectl.errors import CommandError

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "managedFields": [{}]},
    "spec": {"x": "1\n2\n", "n": None},
}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param("name", "pod/a\n", id="name"),
        pytest.param("jsonpath={.metadata.name}", "a", id="jsonpath"),
        pytest.param(
            "custom-columns=NAME:.metadata.name,MISSING:.x.y", "NAME   MISSING\na      <none>\n", id="custom columns"
        ),
        pytest.param(
            "yaml",
            'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  "n": null\n  x: |\n    1\n    2\n',
            id="yaml, block text",
        ),
    ],
)
def test_forms(output: str, expected: str) -> None:
    assert printers.printer(output)(POD) == expected


def test_an_unknown_form_is_refused_with_those_there_are() -> None:
    with pytest.raises(CommandError, match="allowed formats are"):
        printers.printer("nonsense")


def test_wide_columns_show_only_when_asked() -> None:
    table: dict[str, Any] = {
        "columnDefinitions": [{"name": "Name"}, {"name": "Node", "priority": 1}],
        "rows": [{"cells": ["a", None], "object": {"metadata": {"namespace": "n", "labels": {"x/app": "web"}}}}],
    }
    plain = printers.table_rows(table, wide=False, headers=True, namespace=True, labels=["x/app"])
    assert plain == [["NAMESPACE", "NAME", "APP"], ["n", "a", "web"]]
    assert printers.table_rows(table, wide=True, headers=False, namespace=False) == [["a", "<none>"]]


def test_a_page_lines_up_like_a_tab_writer() -> None:
    page = Page()
    page.line("Name:", "web")
    page.line("Longer Name:", "x")
    page.line("Alone:")
    page.line("a", "b", level=1)
    assert page.finish() == "Name:         web\nLonger Name:  x\nAlone:\n  a  b\n"
