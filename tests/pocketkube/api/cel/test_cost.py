"""What expressions are estimated to cost, by the limits of a schema and by the values at hand."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api import cel
from pocketkube.api.cel import cost

TEXT = {"type": "string", "maxLength": 25}  # at most four bytes a character: 100 bytes
LIST = {"type": "array", "maxItems": 10, "items": TEXT}
NUMBERS = {"type": "array", "maxItems": 10, "items": {"type": "integer"}}
MAP = {"type": "object", "maxProperties": 10, "additionalProperties": {"type": "integer"}}
SELF = {
    "type": "object",
    "properties": {"text": TEXT, "list": LIST, "numbers": NUMBERS, "map": MAP, "open": {"type": "string"}},
}


def of_schema(source: str) -> int:
    return cost.estimate(cel.compile_expression(source, cel.SCHEMA).tree, {"self": cost.OfSchema(SELF)})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("true", 0, id="a literal"),
        pytest.param("self.text == 'a'", 3, id="as much as the shorter one has"),
        pytest.param("self.text.size() > 1", 4, id="size"),
        pytest.param("self.text.trim() == ''", 13, id="a text from end to end"),
        pytest.param("self.text.startsWith('abcdefghijklmnopqrst')", 4, id="as long as what it starts with"),
        pytest.param("self.text.contains('abcdefghijklmnopqrst')", 22, id="contains: one for the other"),
        pytest.param("self.text.matches('abcdefgh')", 22, id="a pattern"),
        pytest.param("format.dns1123Label().validate(self.text).hasValue()", 156, id="a named format"),
        pytest.param("self.text.replace('a', 'b') == ''", 23, id="replace"),
        pytest.param("self.text.split(',').size() > 1", 24, id="split"),
        pytest.param("self.numbers.sum() > 0", 13, id="a list of numbers"),
        pytest.param("self.list.isSorted()", 112, id="a list of texts"),
        pytest.param("self.list.join(',') == ''", 104, id="join"),
        pytest.param("quantity(self.text).isLessThan(quantity('1'))", 14, id="a quantity"),
        pytest.param("sets.contains(self.numbers, [1, 2])", 33, id="a set in another"),
        pytest.param("1 in self.numbers", 12, id="in a list"),
        pytest.param("'a' in self.map", 3, id="in a map"),
    ],
)
def test_estimates(source: str, expected: int) -> None:
    assert of_schema(source) == expected


@pytest.mark.parametrize(
    ("one", "other", "times"),
    [
        pytest.param("self.numbers.all(x, x > 0)", "self.numbers.all(i, x, x > i)", 1, id="two variables"),
        pytest.param("self.numbers.all(x, x > 0)", "self.numbers.all(y, self.numbers.all(x, x > y))", 10, id="nested"),
        pytest.param("self.text.matches('a{3}')", "self.open.matches('a{3}')", 25_000, id="without a limit"),
        pytest.param("self.map.all(k, k != '')", "self.map.exists(k, v, k != '' && v > 0)", 1, id="maps"),
    ],
)
def test_what_costs_how_many_times_more(one: str, other: str, times: int) -> None:
    assert of_schema(one) * times * 0.6 <= of_schema(other) <= of_schema(one) * times * 3


def test_an_authorizer_is_asked_twice_at_most() -> None:
    asked = "authorizer.path('/x').check('get').allowed()"
    for times, fits in ((2, True), (3, False)):
        program = cel.compile_expression(" && ".join([asked] * times), cel.CONDITION)
        assert (cost.estimate(program.tree, {}) <= cost.CALL_LIMIT) is fits


@pytest.mark.parametrize(("items", "expected"), [([1] * 3, 9), ([1] * 100, 203), (["a" * 100] * 3, 9)])
def test_the_values_at_hand(items: list[Any], expected: int) -> None:
    tree = cel.compile_expression("items.all(x, x != 1)", ("items",)).tree
    found = cost.estimate(tree, {"items": cost.OfData([items])})
    assert expected <= found <= expected * 4
