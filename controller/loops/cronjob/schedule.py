"""When a schedule fires: cron's five fields, the `@daily` family and `@every 1h30m`, in a time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pocketkube.api.kinds import cron


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
        if why := cron.fault(text):
            raise InvalidSchedule(why)
        yield from _every(cron.every_seconds(text) or 1.0, moment)
        return
    from cronsim import CronSim, CronSimError

    fields = cron.DESCRIPTORS.get(text, text).replace("?", "*")
    try:
        times = CronSim(fields, moment.astimezone(zone or UTC))
    except CronSimError as error:
        raise InvalidSchedule(f"failed to parse {text!r}: {error}") from error
    if len(fields.split()) != 5:
        raise InvalidSchedule(f"expected exactly 5 fields, found {len(fields.split())}: {text}")
    for found in times:
        yield found.astimezone(UTC)


def _every(seconds: float, moment: datetime) -> Iterator[datetime]:
    period = timedelta(seconds=seconds)
    moment = moment.replace(microsecond=0)
    while True:
        moment += period
        yield moment
