"""Schedules: what upstream's parser takes, and its words for what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.kinds import cron


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "*/5 0 1-5 jan mon-fri",
        "0,30 8-17/2 ? * SUN",
        "@hourly",
        "@every 1h30m",
        "@every 90s",
        "59 23 31 12 6",
    ],
)
def test_good(schedule: str) -> None:
    assert cron.fault(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_faults(schedule: str, fault: str) -> None:
    assert cron.fault(schedule) == fault


def test_periods() -> None:
    assert cron.every_seconds("@every 1h30m") == 5400
    assert cron.every_seconds("@every 10ms") == 1
    assert cron.every_seconds("@hourly") is None


@given(st.text(max_size=30))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(cron.fault(text), str)
