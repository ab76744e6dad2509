"""When a schedule fires: cron's five fields, the `@daily` family and `@every 1h30m`, in a time zone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class InvalidSchedule(ValueError):
    """The text is no schedule."""


class UnknownTimeZone(ValueError):
    """No such time zone on this machine."""


def zone(name: str | None) -> ZoneInfo | None:
    """None is UTC. Raises UnknownTimeZone."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(f"unknown time zone {name}") from error


def after(text: str, moment: datetime, zone: ZoneInfo | None) -> Iterator[datetime]:
    """The times after `moment`, in UTC, in order and without end. Raises InvalidSchedule."""
    text = text.strip()
    if text.startswith("@every "):
        yield from _every(text.removeprefix("@every "), moment)
        return
    from cronsim import CronSim, CronSimError

    fields = _MACROS.get(text, text).replace("?", "*")
    try:
        times = CronSim(fields, moment.astimezone(zone or UTC))
    except CronSimError as error:
        raise InvalidSchedule(f"failed to parse {text!r}: {error}") from error
    if len(fields.split()) != 5:
        raise InvalidSchedule(f"expected exactly 5 fields, found {len(fields.split())}: {text}")
    for found in times:
        yield found.astimezone(UTC)


def _every(text: str, moment: datetime) -> Iterator[datetime]:
    parts = _PART.findall(text.strip())
    if not parts or "".join(n + u for n, u in parts) != text.strip():
        raise InvalidSchedule(f"failed to parse duration @every {text}")
    period = timedelta(seconds=max(1.0, sum(float(n) * _SECONDS[u] for n, u in parts)))
    moment = moment.replace(microsecond=0)
    while True:
        moment += period
        yield moment
