"""The last changes of one resource, so that a watch can start from a revision of the past."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from itertools import islice

from apiserver.storage.entry import Entry

MAX_EVENTS = 10_000
MAX_BYTES = 16 << 20
MAX_SECONDS = 300.0


class Event:
    """One change of one key: `entry` is None for a deletion, `previous` for a creation."""

    __slots__ = ("_last", "at", "entry", "previous", "revision", "type")

    def __init__(self, entry: Entry | None, previous: Entry | None, *, revision: int) -> None:
        self.entry = entry
        self.previous = previous
        self.revision = revision
        self.type = "DELETED" if entry is None else "ADDED" if previous is None else "MODIFIED"
        self.at = time.monotonic()
        self._last: Entry | None = None

    @property
    def key(self) -> str:
        entry = self.entry or self.previous
        return entry.key if entry else ""

    @property
    def last(self) -> Entry:
        """The object before this change, at this change's revision: what DELETED carries."""
        if self._last is None:
            assert self.previous is not None
            self._last = self.previous.at(self.revision)
        return self._last

    def seen_by(self, selects: Callable[[Entry], bool] | None) -> str:
        """The event's type under a selector: an object that comes to match is ADDED, one that ceases to is DELETED;
        "" if it matched neither before nor after."""
        if selects is None:
            return self.type
        before = self.previous is not None and selects(self.previous)
        if self.entry is not None and selects(self.entry):
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else ""

    def subject(self, event_type: str) -> Entry:
        """The entry that an event of that type shows."""
        if event_type == "DELETED":
            return self.last
        assert self.entry is not None
        return self.entry


class History:
    """Events in revision order, bounded by number, bytes and age. Holds every event with a revision above `floor`."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self._events: deque[Event] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> None:
        events = self._events
        events.append(event)
        self._bytes += _size(event)
        oldest = event.at - MAX_SECONDS
        while len(events) > MAX_EVENTS or self._bytes > MAX_BYTES or events[0].at < oldest:
            dropped = events.popleft()
            self._bytes -= _size(dropped)
            self.floor = dropped.revision

    def after(self, revision: int) -> list[Event]:
        """Events above `revision`, which must not be below `floor`."""
        events = self._events
        if not events or events[-1].revision <= revision:
            return []
        return list(islice(events, bisect_right(events, revision, key=lambda e: e.revision), None))


def _size(event: Event) -> int:
    shown = event.entry or event.previous
    return len(shown.data) if shown else 0
