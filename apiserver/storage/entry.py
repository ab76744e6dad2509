"""An object as the watch cache holds it, and the question that lists and watches ask about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.storage import encoding

Obj = dict[str, Any]

PARSED_KEPT = 1024  # parsed forms kept in a process: one takes about five times its bytes
_parsed: deque[Entry] = deque()

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
        if self.pinned:
            return
        _parsed.append(self)
        if len(_parsed) > PARSED_KEPT:
            _parsed.popleft()._obj = None

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
