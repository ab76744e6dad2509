"""Times on the wire: RFC 3339 in UTC, whole seconds (Time) or six decimals (MicroTime), and ages as kubectl prints them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)")
_SECONDS_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"


def rfc3339(when: datetime) -> str:
    """`2026-11-21T03:00:00Z`; parts of a second are cut."""
    if when.tzinfo is not UTC:
        when = when.astimezone(UTC)
    return f"{when.year:04}-{when.month:02}-{when.day:02}T{when.hour:02}:{when.minute:02}:{when.second:02}Z"


def micro(when: datetime) -> str:
    """`2026-11-21T03:00:00.000000Z`, always six decimals."""
    return f"{rfc3339(when)[:-1]}.{when.microsecond:06}Z"


def now_rfc3339() -> str:
    return rfc3339(datetime.now(UTC))


def parse(text: str) -> datetime:
    """An RFC 3339 time of any offset and precision, in UTC. Raises ValueError in the words of Go's parser."""
    return _parse(text, _SECONDS_LAYOUT)


def _parse(text: str, layout: str) -> datetime:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(_complaint(text, layout))
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, zone = match[7] or "", match[8]
    try:
        when = datetime(year, month, day, hour, minute, second, int(fraction[:6].ljust(6, "0")), UTC)
        return when if zone == "Z" else when - _offset(zone)
    except (ValueError, OverflowError):
        raise ValueError(f'parsing time "{text}": {_out_of_range(month, hour, minute, second)} out of range') from None


def _offset(zone: str) -> timedelta:
    size = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return size if zone[0] == "+" else -size


def _out_of_range(month: int, hour: int, minute: int, second: int) -> str:
    if not 1 <= month <= 12:
        return "month"
    if hour > 23:
        return "hour"
    if minute > 59:
        return "minute"
    return "second" if second > 59 else "day"


_STEPS = (
    (r"\d{4}", "2006"), ("-", "-"), (r"\d\d", "01"), ("-", "-"), (r"\d\d", "02"), ("T", "T"), (r"\d\d", "15"), (":", ":"),
    (r"\d\d", "04"), (":", ":"), (r"\d\d(?:[.,]\d+)?", "05"), (r"Z|[+-]\d\d:\d\d", "Z07:00"),
)  # fmt: skip


def _complaint(text: str, layout: str) -> str:
    """`parsing time "x" as "2006-...": cannot parse "x" as "2006"`: which element of the layout did not match."""
    at = 0
    for form, element in _STEPS:
        match = re.compile(form).match(text, at)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{text[at:]}" as "{element}"'
        at = match.end()
    return f'parsing time "{text}": extra text: "{text[at:]}"'


_CANONICAL = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
).fullmatch
_CANONICAL_MICRO = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
).fullmatch
_SIX_DECIMALS = re.compile(r"\.[0-9]{6}(Z|[+-][0-9]{2}:[0-9]{2})$").search


def canonical(text: str) -> str:
    """The same instant in UTC with whole seconds. Raises ValueError in the words of Go's parser."""
    return text if _CANONICAL(text) else rfc3339(parse(text))


def canonical_micro(text: str) -> str:
    """The same instant in UTC with six decimals, which must have been given. Raises ValueError."""
    if _CANONICAL_MICRO(text):
        return text
    when = _parse(text, _MICRO_LAYOUT)
    if not _SIX_DECIMALS(text):
        rest = text[19:]
        raise ValueError(f'parsing time "{text}" as "{_MICRO_LAYOUT}": cannot parse "{rest}" as ".000000"')
    return micro(when)


def age(delta: timedelta) -> str:
    """`5m12s`, `3h`, `2d4h`, `400d` becomes `1y35d`: two units while they matter, as kubectl prints an age."""
    seconds = int(delta.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    return _hours(minutes // 60, minutes % 60)


def _hours(hours: int, minutes: int) -> str:
    if hours < 8:
        return _pair(hours, "h", minutes, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _pair(hours // 24, "d", hours % 24, "h")
    days = hours // 24
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"
