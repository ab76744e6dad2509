"""Cron schedules as CronJobs write them: five fields, or `@hourly`, `@every 1h30m` and the like. Checks only; cronsim runs them."""

from __future__ import annotations

import re
from typing import NamedTuple

from pocketkube.base import durations

DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    name: at
    for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DAYS = {name: at for at, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}


class _Field(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (_Field(0, 59, {}), _Field(0, 23, {}), _Field(1, 31, {}), _Field(1, 12, _MONTHS), _Field(0, 6, _DAYS))


def fault(schedule: str) -> str:
    """What is wrong with a schedule, in the words of upstream's parser; "" for a good one."""
    if schedule.startswith("@"):
        return _descriptor_fault(schedule)
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for text, bounds in zip(fields, _FIELDS, strict=True):
        try:
            for piece in text.split(","):
                _check_range(piece, bounds)
        except ValueError as error:
            return str(error)
    return ""


def every_seconds(schedule: str) -> float | None:
    """The period of an `@every` schedule, at least a second; None for another kind. Raises ValueError."""
    if not schedule.startswith("@every "):
        return None
    return max(1.0, float(int(durations.parse(schedule[7:]))))


def _descriptor_fault(schedule: str) -> str:
    if schedule in DESCRIPTORS:
        return ""
    if not schedule.startswith("@every "):
        return f"unrecognized descriptor: {schedule}"
    try:
        durations.parse(schedule[7:])
    except ValueError as error:
        return f"failed to parse duration {schedule}: {error}"
    return ""


def _check_range(text: str, bounds: _Field) -> None:
    """`*`, `*/5`, `1`, `1-5`, `1-5/2`, `mon-fri`."""
    span, slash, step = text.partition("/")
    if "/" in step:
        raise ValueError(f"too many slashes: {text}")
    low, dash, high = span.partition("-")
    if "-" in high:
        raise ValueError(f"too many hyphens: {text}")
    if low in ("*", "?"):
        start, end = bounds.low, bounds.high
    else:
        start = _number(low, bounds)
        end = _number(high, bounds) if dash else bounds.high if slash else start
    if slash and not _number(step, bounds._replace(names={})):
        raise ValueError(f"step of range should be a positive number: {text}")
    if start < bounds.low:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")


def _number(text: str, bounds: _Field) -> int:
    named = bounds.names.get(text.lower())
    if named is not None:
        return named
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
