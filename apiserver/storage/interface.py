"""The store as the rest of the API server sees it: ordered keys, bytes, revisions. etcd is behind it; tests also run a memory store.

Keys are those of upstream (`/registry/pods/default/web`). Values are the encoded object WITHOUT metadata.resourceVersion;
the revision of the key is the resourceVersion.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """
    StoreError
    ├── KeyExists           create found the key
    ├── ValueTooLarge       the store takes no value of this size
    ├── KeyMissing          update or delete found nothing
    ├── RevisionMismatch    the key is at another revision; `.current` is what is there now
    ├── Compacted           the revision asked for is gone; `.revision` is the oldest kept
    ├── FutureRevision      the revision asked for has not come within the deadline; `.current` is where we are
    └── StoreUnavailable    etcd did not answer within the deadline; the write may or may not have happened
        └── CannotTransform a value cannot be sealed or opened now, since its key management service does not answer
    """


class KeyExists(StoreError):
    pass


class ValueTooLarge(StoreError):
    pass


class KeyMissing(StoreError):
    pass


class RevisionMismatch(StoreError):
    def __init__(self, current: Stored):
        super().__init__(f"at revision {current.revision}")
        self.current = current


class Compacted(StoreError):
    def __init__(self, revision: int):
        super().__init__(f"compacted up to {revision}")
        self.revision = revision


class FutureRevision(StoreError):
    def __init__(self, revision: int, current: int):
        super().__init__(f"at revision {current}, not yet at {revision}")
        self.revision = revision
        self.current = current


class StoreUnavailable(StoreError):
    pass


class CannotTransform(StoreUnavailable):
    pass


class Stored(NamedTuple):
    key: str
    value: bytes
    revision: int  # mod_revision
    created: int = 0  # create_revision


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[Stored]
    revision: int  # the store's revision at which this was read
    more: bool
    remaining: int  # items after this page; 0 where `more` is false


class Change(NamedTuple):
    """One key's change. `value` is b"" for a delete; `previous` is None for a creation, or where it was compacted away."""

    key: str
    value: bytes
    revision: int
    deleted: bool
    previous: Stored | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What the store's stream brings at once: changes in revision order, never a part of one revision's changes;
    `revision` is how far the stream has come (with no changes: progress alone)."""

    changes: Sequence[Change]
    revision: int


def ignore(change: Change) -> None:
    """What a store does with its own writes until someone wants to know."""


class Store(Protocol):
    acknowledged: Callable[[Change], None]
    """Told of each write made through this very store, before the writer is: all that is known of its revision, since a
    write changes one key and a revision is one write. Set by the watch cache; `ignore` until then."""

    async def get(self, key: str) -> Stored | None: ...

    async def list(self, prefix: str, *, limit: int = 0, start: str = "", revision: int = 0) -> Page:
        """Keys under `prefix` in order, from `start` (inclusive) on; at `revision` (0 is now). Raises Compacted."""

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        """The new revision. Raises KeyExists."""

    async def update(self, key: str, value: bytes, *, revision: int, ttl_seconds: int = 0) -> int:
        """Replace the value if the key is at `revision`. Raises RevisionMismatch, KeyMissing."""

    async def delete(self, key: str, *, revision: int) -> int:
        """Remove if at `revision`. Raises RevisionMismatch, KeyMissing. Returns the deletion's revision."""

    async def current_revision(self) -> int:
        """The store's newest revision, linearizable: no write acknowledged before this call has a higher one."""

    def watch(self, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
        """Every change with a revision > `after`, in order, batches as they come; goes on after a lost connection.

        Revisions that changed nothing under `prefix` come as progress. `previous`: fill Change.previous.
        Raises Compacted."""

    def stale(self, key: str) -> bool:
        """Whether the value should be written again although it is the same: its form in the store is out of date."""

    async def compact(self, revision: int) -> None: ...

    async def close(self) -> None: ...
