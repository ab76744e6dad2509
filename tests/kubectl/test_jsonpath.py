"""Templates that people write, and what kubectl prints for them."""

from __future__ import annotations

import pytest

from kubectl import jsonpath
from kubectl.errors import CommandError

PODS = {
    "kind": "List",
    "items": [
        {
            "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}},
            "status": {"ip": "1", "n": 3, "ok": True},
            "ports": [1, 2, 3],
        },
        {"metadata": {"name": "b"}, "status": {"ip": "2", "n": 9}, "ports": [4]},
    ],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("{.kind}", "List", id="field"),
        pytest.param("{.items[*].metadata.name}", "a b", id="star"),
        pytest.param("{.items[0].metadata.name}", "a", id="index"),
        pytest.param("{.items[-1].metadata.name}", "b", id="negative index"),
        pytest.param("{.items[0].ports[0:2]}", "1 2", id="slice"),
        pytest.param("{.items[0].ports}", "[1,2,3]", id="list as JSON"),
        pytest.param("{..name}", "a b", id="recursive"),
        pytest.param("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x", id="escaped dots"),
        pytest.param("{.items[0]['metadata']['name']}", "a", id="quoted"),
        pytest.param('{.items[?(@.metadata.name=="b")].status.ip}', "2", id="filter"),
        pytest.param("{.items[?(@.status.n>5)].metadata.name}", "b", id="filter by number"),
        pytest.param("{.items[?(@.status.ok)].metadata.name}", "a", id="filter by existence"),
        pytest.param("{.missing}", "", id="missing"),
        pytest.param("{.items[0].status.ok}", "true", id="boolean"),
        pytest.param("name: {.kind}!", "name: List!", id="text around"),
        pytest.param('{range .items[*]}{.metadata.name}={.status.ip}{"\\n"}{end}', "a=1\nb=2\n", id="range"),
        pytest.param("{.items[*]['metadata.name', 'kind']}", "", id="union of what is not there"),
    ],
)
def test_render(template: str, expected: str) -> None:
    assert jsonpath.render(jsonpath.parse(template), PODS) == expected


@pytest.mark.parametrize("template", ["{.a", "{range .items[*]}", "{end}", "{.items[x]}"])
def test_malformed_templates_are_refused(template: str) -> None:
    with pytest.raises(CommandError):
        jsonpath.parse(template)
