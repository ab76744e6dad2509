"""Times on the wire and ages for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta import times


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-11-21T03:00:00Z", "2026-11-21T03:00:00Z"),
        ("2026-11-21T03:00:00.9Z", "2026-11-21T03:00:00Z"),
        ("2026-11-21T03:00:00+02:00", "2026-11-21T01:00:00Z"),
        ("2024-02-29T00:00:00-01:30", "2024-02-29T01:30:00Z"),
        ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert times.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x", 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ("2026-11-21", 'parsing time "2026-11-21" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-13-21T03:00:00Z", 'parsing time "2026-13-21T03:00:00Z": month out of range'),
        ("2026-02-30T03:00:00Z", 'parsing time "2026-02-30T03:00:00Z": day out of range'),
        ("2026-11-21T03:00:00Zx", 'parsing time "2026-11-21T03:00:00Zx": extra text: "x"'),
    ],
)
def test_complaints(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        times.parse(text)
    assert str(caught.value) == complaint


def test_micro_needs_six_decimals() -> None:
    assert times.canonical_micro("2026-11-21T03:00:00.120000Z") == "2026-11-21T03:00:00.120000Z"
    assert times.canonical_micro("2026-11-21T03:00:00.120000+01:00") == "2026-11-21T02:00:00.120000Z"
    with pytest.raises(ValueError, match=r'cannot parse "Z" as ".000000"'):
        times.canonical_micro("2026-11-21T03:00:00Z")


@given(st.datetimes(timezones=st.just(UTC)))
def test_written_times_parse_to_themselves(when: datetime) -> None:
    assert times.parse(times.rfc3339(when)) == when.replace(microsecond=0)
    assert times.parse(times.micro(when)) == when
    assert times.canonical(times.rfc3339(when)) == times.rfc3339(when)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1.5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (312, "5m12s"), (600, "10m"), (10799, "179m"),
        (10800, "3h"), (10860, "3h1m"), (28800, "8h"), (172800, "2d"), (187200, "2d4h"), (691200, "8d"), (86400 * 729, "729d"),
        (86400 * 730, "2y"), (86400 * 765, "2y35d"), (86400 * 3650, "10y"),
    ],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert times.age(timedelta(seconds=seconds)) == text
