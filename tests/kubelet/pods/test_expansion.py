from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelet.pods.expansion import expand

VARIABLES = {"A": "1", "EMPTY": "", "NESTED": "$(A)"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("$(A)", "1", id="known"),
        pytest.param("x$(A)y$(A)", "x1y1", id="twice"),
        pytest.param("$(EMPTY)", "", id="empty"),
        pytest.param("$(UNKNOWN)", "$(UNKNOWN)", id="unknown stays"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$1", id="escaped dollar before a reference"),
        pytest.param("$$$$(A)", "$$(A)", id="two escapes"),
        pytest.param("$A ${A}", "$A ${A}", id="other syntaxes are not ours"),
        pytest.param("$(A", "$(A", id="unclosed"),
        pytest.param("$", "$", id="lone dollar"),
        pytest.param("$()", "$()", id="no name"),
        pytest.param("$(NESTED)", "$(A)", id="values are not expanded again"),
        pytest.param("$(x)$(A)", "$(x)1", id="unknown then known"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected


@given(st.text(alphabet="$()ABx", max_size=20))
def test_doubling_every_dollar_is_the_identity(text: str) -> None:
    assert expand(text.replace("$", "$$"), VARIABLES) == text
