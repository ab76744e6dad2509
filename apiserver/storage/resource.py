"""The cache of one resource: its entries, its recent history and its watchers. Everything here is synchronous."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from apiserver.storage import encoding, slices
from apiserver.storage.audience import Audience, beyond_group, group_of
from apiserver.storage.entries import Entries
from apiserver.storage.entry import EVERYTHING, NO_LABELS, Entry, Query
from apiserver.storage.history import Event, History
from apiserver.storage.interface import Compacted, FutureRevision
from apiserver.storage.slices import Test
from apiserver.storage.watcher import BACKLOG_CHUNK, Format, Json, Watcher, frame

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Getter = Callable[[Obj], str]


class Position:
    """How far the store's stream has been applied; one for all resources."""

    __slots__ = ("revision",)

    def __init__(self) -> None:
        self.revision = 0


class ResourceCache:
    """Made by WatchCache.register. Answers from memory; await WatchCache.wait_fresh first for a current answer."""

    def __init__(
        self,
        prefix: str,
        position: Position,
        *,
        api_version: str,
        kind: str,
        namespaced: bool,
        fields: Mapping[str, Getter] | None = None,
        pinned: bool = False,
    ) -> None:
        self.prefix = prefix
        self.json = Json(api_version, kind)
        self.ready = False
        self.revision = 0  # of the last change of this resource: rises whenever one of its objects changes
        self.events = 0  # changes since the start
        self.content = 0  # rises with whatever changes what reads show, before they show it
        self.initial_events = 0  # ADDED events that watches began with
        self.loaded = 0  # the revision that it was loaded at: older changes are in it already
        self._position = position
        self._pinned = pinned
        self._getters = tuple((fields or {}).values())
        self._entries = Entries(tuple(fields or {}), namespaced=namespaced)
        self._history = History(0)
        self._audience = Audience(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def current(self) -> int:
        """The revision that reads show: the resourceVersion of a LIST."""
        return max(self.loaded, self._position.revision)

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self._audience)

    def get(self, namespace: str, name: str) -> Entry | None:
        return self._entries.get(f"{namespace}/{name}" if namespace else name)

    def entries(self, query: Query = EVERYTHING) -> list[Entry]:
        """What a query selects, in key order. Costs what it returns where an index, the name or the namespace narrows."""
        return self._entries.select(query)

    def page(self, namespace: str, limit: int) -> tuple[list[Entry], int]:
        """The first `limit` entries of a namespace, or of all, and how many are left."""
        return self._entries.page(namespace, limit)

    async def select(self, query: Query, *, limit: int = 0) -> tuple[Sequence[Entry], bool]:
        """What a query selects of what is there at the call, up to `limit` (0: all), and whether there is more. Others have
        their turn while many entries are looked at."""
        return await slices.select(*self._entries.candidates(query), limit=limit)

    def field(self, entry: Entry, name: str) -> str:
        """The value that a field selector compares; KeyError for a field that was not registered."""
        return self._entries.field(entry, name)

    def watch(
        self,
        query: Query = EVERYTHING,
        *,
        after: int | None = None,
        initial: bool = False,
        initial_end: bool = False,
        bookmarks: bool = False,
        format: Format | None = None,
    ) -> Watcher:
        """Follow what a query selects, from this moment on. Close the watcher when its client is gone.

        `after`: events with a higher revision, first out of history. None: events from now on.
        `initial` (where `after` is None): an ADDED for every entry that is there; `initial_end`: then a bookmark that says so.
        `bookmarks`: a BOOKMARK about once a minute. `format` None: as stored.
        Raises Compacted where history does not reach back to `after`, FutureRevision where the cache has not come to it.
        """
        form = format or self.json
        frames: Iterator[bytes | None] | None = None
        if after is not None:
            frames = self._replay(self._since(after), query, form)
        elif initial:
            frames = self._initial(*self._entries.candidates(query), form, end=self.current if initial_end else 0)
        watcher = Watcher(
            self,
            group=group_of(query),
            selects=self._entries.test(beyond_group(query)),
            format=form,
            bookmarks=bookmarks,
            backlog=None if frames is None else slices.batches(frames, most=BACKLOG_CHUNK),
        )
        if self.ready:
            self._audience.add(watcher)
        else:
            watcher.close()
        return watcher

    def forget(self, watcher: Watcher) -> None:
        """Called by a watcher that closes."""
        self._audience.discard(watcher)

    def _since(self, revision: int) -> list[Event]:
        if revision < self._history.floor:
            raise Compacted(self._history.floor)
        if revision > self.current:
            raise FutureRevision(revision, self.current)
        return self._history.after(revision)

    def _replay(self, events: list[Event], query: Query, form: Format) -> Iterator[bytes | None]:
        selects = self._entries.test(query)
        for event in events:
            event_type = event.seen_by(selects)
            yield frame(event_type, form.encode(event.subject(event_type))) if event_type else None

    def _initial(self, entries: list[Entry], selects: Test | None, form: Format, *, end: int) -> Iterator[bytes | None]:
        for entry in entries:
            if selects is None or selects(entry):
                self.initial_events += 1
                yield frame("ADDED", form.encode(entry))
            else:
                yield None
        if end:
            yield frame("BOOKMARK", form.bookmark(end, initial_end=True))

    # What follows is called by the WatchCache alone.

    def entry(self, key: str, value: bytes, *, revision: int) -> Entry:
        """An entry of a full key and a stored value. Raises ValueError where the value is no object."""
        data = encoding.splice_revision(value, revision)
        return self._made(key, data, orjson.loads(data), revision)

    def expected(self, key: str, value: bytes, obj: Obj, *, revision: int) -> Entry:
        """The same of a value whose parsed object is at hand, which the entry keeps; its resourceVersion is set."""
        obj["metadata"]["resourceVersion"] = str(revision)
        entry = self._made(key, encoding.splice_revision(value, revision), obj, revision)
        entry.keep(obj)
        return entry

    def _made(self, key: str, data: bytes, obj: Obj, revision: int) -> Entry:
        return Entry(
            key[len(self.prefix) :],
            data,
            revision=revision,
            labels=obj["metadata"].get("labels") or NO_LABELS,
            fields=self._values(key, obj),
            pinned=self._pinned,
        )

    def _values(self, key: str, obj: Obj) -> tuple[str, ...]:
        try:
            return tuple([getter(obj) for getter in self._getters])
        except Exception:  # a getter that trips over an odd object must not hide the object
            log.exception("the selectable fields of %s cannot be read", key)
            return ("",) * len(self._getters)

    def another(self) -> Entries:
        """Empty ones of this resource, to be filled for `load`."""
        return self._entries.another()

    def load(self, entries: Entries, *, revision: int) -> None:
        """Start from the entries as they were at `revision`; they are the cache's own from now on."""
        self.content += 1
        self._entries.take(entries)
        self._history = History(revision)
        self.revision = self.loaded = revision
        self.ready = True

    def put(self, entry: Entry) -> None:
        self.content += 1
        previous = self._entries.put(entry)
        self._happened(Event(entry, previous, revision=entry.revision))
        if previous is not None and previous.pinned:
            previous.drop()

    def remove(self, key: str, *, revision: int) -> None:
        self.content += 1
        previous = self._entries.pop(key[len(self.prefix) :])
        if previous is not None:
            self._happened(Event(None, previous, revision=revision))

    def _happened(self, event: Event) -> None:
        self.revision = event.revision
        self.events += 1
        self._history.add(event)
        self._audience.tell(event)

    def bookmark(self) -> None:
        """Tell the watchers that want to know how far everything has been told."""
        self._audience.bookmark(self.current)

    def end_watches(self) -> None:
        """What is watched has another form from now on: clients begin again from where they are."""
        for watcher in self._audience:
            watcher.close()

    def reset(self) -> None:
        """End all watches and forget everything: the stream has a gap, or the resource is no longer served."""
        self.ready = False
        self.content += 1
        self.end_watches()
        self._entries.clear()
