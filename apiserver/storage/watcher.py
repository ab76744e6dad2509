"""One client's watch: frames in order, encoded once for all watchers of the same format; a slow watcher is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import orjson

from apiserver.storage.entry import Entry

if TYPE_CHECKING:
    from apiserver.storage.resource import ResourceCache

QUEUE_LIMIT = (
    4096  # frames that wait for a client; past it the watch ends and the client resumes from its last revision
)
QUEUE_BYTES = 64 << 20  # of all frames that wait for one client
BACKLOG_CHUNK = 128  # initial or replayed frames that one `next` hands out, so that a long backlog blocks nobody

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Format(Protocol):
    """How a watcher wants objects: another version, a Table, metadata alone. Hashable; equal formats share their bytes,
    so make one per kind, version and form, and keep it."""

    def encode(self, entry: Entry) -> bytes:
        """JSON of the object of an event."""

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        """JSON of a bookmark's object; `initial_end`: annotated as the end of the initial events."""


class Json:
    """Objects as they are stored."""

    def __init__(self, api_version: str, kind: str) -> None:
        self.api_version = api_version
        self.kind = kind

    def encode(self, entry: Entry) -> bytes:
        return entry.data

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        metadata: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        return orjson.dumps({"kind": self.kind, "apiVersion": self.api_version, "metadata": metadata})


def frame(event_type: str, obj: bytes) -> bytes:
    """A line of a watch response."""
    return b'{"type":"%b","object":%b}\n' % (event_type.encode(), obj)


class Watcher:
    """Made by ResourceCache.watch. Read with `next` by one task; `close` when the client is gone (idempotent)."""

    __slots__ = (
        "_backlog",
        "_queue",
        "_queued",
        "_resource",
        "_waiter",
        "bookmarks",
        "closed",
        "format",
        "group",
        "selects",
    )

    def __init__(
        self,
        resource: ResourceCache,
        *,
        group: tuple[str, ...],
        selects: Callable[[Entry], bool] | None,
        format: Format,
        bookmarks: bool,
        backlog: Iterator[list[bytes]] | None,
    ) -> None:
        self._resource = resource
        self.group = group
        self.selects = selects  # what the group does not already guarantee; None: nothing more
        self.format = format
        self.bookmarks = bookmarks
        self.closed = False
        self._backlog = backlog
        self._queue: list[bytes] = []
        self._queued = 0  # bytes
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> list[bytes]:
        """The frames that have come since, at least one; waits for the first. [] when the watch is over."""
        if self._backlog is not None:
            for frames in self._backlog:
                await asyncio.sleep(0)  # many may begin at once, and each with a long list
                if frames:
                    return frames
            self._backlog = None
        while not self._queue:
            if self.closed:
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        frames, self._queue, self._queued = self._queue, [], 0
        return frames

    def push(self, data: bytes) -> None:
        """Hand over a frame; never waits."""
        queue = self._queue
        queue.append(data)
        self._queued += len(data)
        if len(queue) > QUEUE_LIMIT or self._queued > QUEUE_BYTES:
            queue.clear()
            self.close()
            return
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def bookmark(self) -> bytes | None:
        """A BOOKMARK frame of how far this watcher has been told everything; None while frames still wait for it."""
        if self._backlog is not None or self._queue:
            return None
        return frame("BOOKMARK", self.format.bookmark(self._resource.current, initial_end=False))

    def close(self) -> None:
        """End the watch; what is queued can still be read."""
        if self.closed:
            return
        self.closed = True
        self._resource.forget(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
