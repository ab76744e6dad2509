"""Who hears of an event: watchers in groups by what they ask for, so that an event costs nothing to unrelated ones.

    watch of                          group
    one object                        ("name", "prod/web")
    pods with spec.nodeName=n1        ("field", "spec.nodeName", "n1")
    app=web anywhere                  ("label", "app", "web")
    a namespace                       ("namespace", "prod")
    everything                        ("all",)

A change of prod/web, labelled app=web, from node n1 to n2, looks at exactly the groups ("all",), ("namespace", "prod"),
("name", "prod/web"), ("label", "app", "web") and the two of the field. A watcher is in one group, the most selective.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from apiserver.storage.entries import Entries
from apiserver.storage.entry import Entry, Query
from apiserver.storage.history import Event
from apiserver.storage.watcher import Format, Watcher, frame

log = logging.getLogger(__name__)

Group = tuple[str, ...]


def group_of(query: Query) -> Group:
    if query.name and query.namespace:
        return ("name", f"{query.namespace}/{query.name}")
    if query.fields:
        return ("field", *query.fields[0])
    if query.labels:
        return ("label", *query.labels[0])
    if query.namespace:
        return ("namespace", query.namespace)
    return ("all",)


def beyond_group(query: Query) -> Query:
    """What is left to test on an event that touched the query's group. An object's key never changes, its labels and
    fields do: those stay, to tell whether it came or left."""
    if query.name and query.namespace:
        return replace(query, name="", namespace="")
    if query.fields or query.labels:
        return query
    return replace(query, namespace="")


class Audience:
    """The watchers of one resource."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._groups: dict[Group, dict[Watcher, None]] = {}
        self._by_kind = dict.fromkeys(("name", "field", "label", "namespace", "all"), 0)

    def __len__(self) -> int:
        return sum(self._by_kind.values())

    def __iter__(self) -> Iterator[Watcher]:
        return iter([watcher for group in self._groups.values() for watcher in group])

    def add(self, watcher: Watcher) -> None:
        self._groups.setdefault(watcher.group, {})[watcher] = None
        self._by_kind[watcher.group[0]] += 1

    def discard(self, watcher: Watcher) -> None:
        group = self._groups.get(watcher.group)
        if group is None or watcher not in group:
            return
        del group[watcher]
        self._by_kind[watcher.group[0]] -= 1
        if not group:
            del self._groups[watcher.group]

    def tell(self, event: Event) -> None:
        """Give an event to whom it concerns; its bytes are made once for each format and type."""
        if not self._groups:
            return
        frames: dict[tuple[Format, str], bytes] = {}
        for name in self._touched(event):
            for watcher in list(self._groups.get(name, ())):
                try:
                    self._tell_one(watcher, event, frames)
                except Exception:  # of a selector or a format: it must not stop the stream for everyone else
                    log.exception("a watcher cannot be told of %s and is closed", event.key)
                    watcher.close()

    @staticmethod
    def _tell_one(watcher: Watcher, event: Event, frames: dict[tuple[Format, str], bytes]) -> None:
        event_type = event.type if watcher.selects is None else event.seen_by(watcher.selects)
        if not event_type:
            return
        data = frames.get((watcher.format, event_type))
        if data is None:
            data = frame(event_type, watcher.format.encode(event.subject(event_type)))
            frames[watcher.format, event_type] = data
        watcher.push(data)

    def bookmark(self, revision: int) -> None:
        """A BOOKMARK to every watcher that wants them."""
        frames: dict[Format, bytes] = {}
        for watcher in self:
            if watcher.bookmarks:
                data = frames.get(watcher.format)
                if data is None:
                    data = frame("BOOKMARK", watcher.format.bookmark(revision, initial_end=False))
                    frames[watcher.format] = data
                watcher.push(data)

    def _touched(self, event: Event) -> Iterator[Group]:
        states = [entry for entry in (event.previous, event.entry) if entry is not None]
        yield ("all",)
        if namespace := states[0].namespace:
            yield ("namespace", namespace)
        if self._by_kind["name"]:
            yield ("name", event.key)
        if self._by_kind["label"]:
            yield from {("label", *pair) for entry in states for pair in entry.labels.items()}
        if self._by_kind["field"]:
            yield from {("field", *pair) for entry in states for pair in self._selectable(entry)}

    def _selectable(self, entry: Entry) -> Iterator[tuple[str, str]]:
        yield from self._entries.pairs(entry)
        yield ("metadata.name", entry.name)
        yield ("metadata.namespace", entry.namespace)
