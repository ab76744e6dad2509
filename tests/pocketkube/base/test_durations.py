"""Durations: what is read, what is refused, and what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.base import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("40s", 40.0), ("1h0m5s", 3605.0), ("1.5h", 5400.0), (".5s", 0.5), ("1.s", 1.0), ("250ms", 0.25),
        ("-1m30s", -90.0), ("+3s", 3.0), ("2us", 2e-6), ("2µs", 2e-6), ("7ns", 7e-9),
    ],
)  # fmt: skip
def test_what_is_read(text: str, seconds: float) -> None:
    assert durations.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'invalid duration ""'), ("soon", 'invalid duration "soon"'), ("s", 'invalid duration "s"'), ("-", 'invalid duration "-"'),
        ("5", 'missing unit in duration "5"'), ("1m5", 'missing unit in duration "1m5"'), ("5d", 'unknown unit "d" in duration "5d"'),
        ("1m 3s", 'unknown unit "m " in duration "1m 3s"'), ("1h-", 'unknown unit "h-" in duration "1h-"'),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as refusal:
        durations.parse(text)
    assert str(refusal.value) == f"time: {why}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (10, "10s"), (160, "2m40s"), (300, "5m0s"), (3605, "1h0m5s"), (1.5, "1.5s"), (-90, "-1m30s")],
)
def test_what_is_shown(seconds: float, text: str) -> None:
    assert durations.render(seconds) == text


@given(st.integers(-(10**7), 10**7))
def test_what_is_shown_is_read_again(milli: int) -> None:
    assert durations.parse(durations.render(milli / 1000)) == pytest.approx(milli / 1000)
