"""How long a crashed container, or a failed pull, waits for its next try: at once, then 10 s doubling to 300 s.

Kept in memory, as upstream: a new kubelet process starts afresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

INITIAL, MAXIMUM = 10.0, 300.0


@dataclass(slots=True)
class _Entry:
    seconds: float
    renewed: datetime


class Backoffs:
    """By any hashable key. What ran for twice the maximum since its last try starts at the beginning again."""

    def __init__(self, initial: float = INITIAL, maximum: float = MAXIMUM) -> None:
        self._initial, self._maximum = initial, maximum
        self._entries: dict[object, _Entry] = {}

    def seconds(self, key: object) -> float:
        """The length of the wait that now applies to the key, 0 if none."""
        entry = self._entries.get(key)
        return entry.seconds if entry else 0.0

    def remaining(self, key: object, since: datetime, now: datetime) -> float:
        """Seconds until a try is due for what failed at `since`; 0 for at once."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            return 0.0
        return max(0.0, entry.seconds - (now - since).total_seconds())

    def tried(self, key: object, since: datetime, now: datetime) -> None:
        """A try is being made for what failed at `since`: the next wait is longer."""
        entry = self._entries.get(key)
        if entry is None or self._expired(entry, since):
            self._entries[key] = _Entry(self._initial, now)
        else:
            entry.seconds, entry.renewed = min(entry.seconds * 2, self._maximum), now

    def forget(self, key: object) -> None:
        self._entries.pop(key, None)

    def _expired(self, entry: _Entry, since: datetime) -> bool:
        return since - entry.renewed > timedelta(seconds=2 * self._maximum)
