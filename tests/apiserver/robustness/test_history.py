"""The checker itself: what it must find, and what it must let pass."""

from __future__ import annotations

import pytest

from tests.apiserver.robustness.history import Event, violations

TRUTH = {"x": [(5, "a"), (9, "b"), (12, "c")]}


def wrote(value: str, revision: int, compared: int, begun: float, ended: float) -> Event:
    return Event("write", "x", begun, ended, "ok", revision, value, compared)


def read(value: str, revision: int, begun: float, ended: float) -> Event:
    return Event("read", "x", begun, ended, "ok", revision, value)


def old_read(value: str, revision: int, begun: float, ended: float, *, at: int = 0, compared: int = 0) -> Event:
    return Event("old read", "x", begun, ended, "ok", revision, value, compared, at)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        pytest.param([wrote("b", 9, 5, 0, 1), read("b", 9, 2, 3)], "", id="in order"),
        pytest.param([wrote("b", 9, 5, 0, 2), read("a", 5, 1, 3)], "", id="read beside a write may miss it"),
        pytest.param([wrote("b", 9, 5, 0, 1), read("a", 5, 2, 3)], "stale", id="read after a write must not"),
        pytest.param([read("b", 9, 0, 1), read("a", 5, 2, 3)], "stale", id="reads do not go back"),
        pytest.param([wrote("b", 9, 5, 0, 1), old_read("a", 5, 2, 3)], "", id="old read may be stale"),
        pytest.param([old_read("z", 5, 0, 1)], "never written", id="old read of what never was"),
        pytest.param([old_read("a", 5, 0, 1, at=8)], "", id="list as it was"),
        pytest.param([old_read("a", 5, 0, 1, at=9)], "9 was the newest", id="list that misses what it tells of"),
        pytest.param([old_read("b", 9, 0, 1, at=8)], "5 was the newest", id="list ahead of itself"),
        pytest.param([old_read("b", 9, 0, 1, at=9, compared=10)], "older than asked", id="list too old"),
        pytest.param([wrote("d", 14, 12, 0, 1)], "lost", id="acknowledged and not there"),
        pytest.param([wrote("c", 12, 5, 0, 1)], "overwrote", id="compared with an older one"),
        pytest.param([read("z", 9, 0, 1)], "never written", id="read of another value"),
        pytest.param([Event("write", "x", 0, 1, "unknown", 0, "b", 5)], "", id="no answer and there"),
        pytest.param([Event("write", "x", 0, 1, "unknown", 0, "q", 5)], "", id="no answer and not there"),
        pytest.param([Event("write", "x", 0, 1, "refused", 0, "b", 5)], "applied", id="refused and there"),
    ],
)
def test_violations(events: list[Event], found: str) -> None:
    shown = violations(events, TRUTH)
    assert bool(shown) == bool(found), shown
    assert all(text.startswith(found) for text in shown)
