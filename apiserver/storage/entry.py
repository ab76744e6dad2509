"""An object as the watch cache holds it, and the question that lists and watches ask about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import orjson

from apiserver.storage import encoding

Obj = dict[str, Any]

PARSED_KEPT = 1024  # parsed forms kept in a process: one takes about five times its bytes
PARSED_BYTES = 8 << 20  # of what they were parsed from


class _Parsed:
    """The entries whose parsed forms are kept, the oldest first. Lists are also made beside the event loop: hence the lock."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.bytes = 0
        self._lock = Lock()

    def add(self, entry: Entry) -> None:
        with self._lock:
            entries = self.entries
            entries.append(entry)
            self.bytes += len(entry.data)
            while len(entries) > PARSED_KEPT or (self.bytes > PARSED_BYTES and len(entries) > 1):
                oldest = entries.popleft()
                self.bytes -= len(oldest.data)
                oldest._obj = None


_parsed = _Parsed()

NO_LABELS: Mapping[str, str] = {}


class Entry:
    """One object at one revision. Never changes; an update makes a new Entry.

    `key` is "namespace/name", or "name" without a namespace. `data` are the served bytes, resourceVersion included.
    `fields` are the values of the resource's field selectors, in their registered order.
    """

    __slots__ = ("_obj", "data", "fields", "key", "labels", "name", "namespace", "pinned", "revision")

    def __init__(
        self,
        key: str,
        data: bytes,
        *,
        revision: int,
        labels: Mapping[str, str],
        fields: tuple[str, ...],
        pinned: bool = False,
    ) -> None:
        self.key = key
        self.data = data
        self.revision = revision
        self.labels = labels
        self.fields = fields
        self.pinned = pinned
        self.namespace, _, self.name = key.rpartition("/")
        self._obj: Obj | None = None

    @property
    def obj(self) -> Obj:
        """The parsed object, shared by all: never change it. Parsed when first asked for; seldom used ones are dropped."""
        obj = self._obj
        if obj is None:
            obj = orjson.loads(self.data)
            self.keep(obj)
        return obj

    def keep(self, obj: Obj) -> None:
        """Take over a parsed form that equals `data`."""
        self._obj = obj
        if not self.pinned:
            _parsed.add(self)

    def drop(self) -> None:
        """Forget the parsed form of what is only history now."""
        self._obj = None

    def at(self, revision: int) -> Entry:
        """The same object under another resourceVersion, as a DELETED event carries it."""
        data = encoding.replace_revision(self.data, revision)
        return Entry(self.key, data, revision=revision, labels=self.labels, fields=self.fields)

    def __repr__(self) -> str:
        return f"Entry({self.key!r} at {self.revision})"


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries a list or watch wants: all conditions hold together, the empty ones always.

    `labels` and `fields` are exact pairs, answered by indexes (`fields`: names registered with the resource).
    `among` are labels with the values that they may have, answered by the same index.
    `match` says the rest (notin, exists, !=) and is asked last. It must depend on nothing but the entry;
    `entry.labels` and `entry.fields` need no parsing, `entry.obj` does.
    """

    namespace: str = ""
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    among: tuple[tuple[str, frozenset[str]], ...] = ()
    match: Callable[[Entry], bool] | None = None

    @property
    def unselective(self) -> bool:
        """Nothing but a namespace narrows it."""
        return not (self.name or self.labels or self.fields or self.among) and self.match is None


EVERYTHING = Query()
