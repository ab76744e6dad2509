"""etcd's watch as batches of changes, through lost connections and members, without a gap and without a repetition."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from apiserver.storage.etcd.connection import Connection, Member
from apiserver.storage.etcd.messages import WATCH, rpc
from apiserver.storage.interface import Batch, Change, Compacted, Stored
from pocketkube.base.backoff import Backoff
from pocketkube.base.grpc.calls import Failure

log = logging.getLogger(__name__)

_EVERYTHING = b"\0"  # as key and range_end: all keys
_DELETE = 1


async def follow(connection: Connection, prefix: str, *, after: int, previous: bool = False) -> AsyncIterator[Batch]:
    """Batches of changes with a revision above `after`, for ever. Raises Compacted.

    The watch covers every key, not only `prefix`: so each revision of the store arrives here as an event, and a reader who
    waits for a revision need not ask for progress. (etcd 3.4 before 3.4.25 answers a progress request out of order with
    the events, so asking would not even be safe.) Changes outside `prefix` come as progress.
    """
    backoff = Backoff(0.05, 2.0, jitter=0.2)
    while True:
        member = connection.member
        try:
            async for batch in _stream(member, prefix, after=after, previous=previous):
                after = batch.revision
                backoff.reset()
                yield batch
            log.warning("the watch on %s ended; going on after revision %d", member.endpoint, after)
        except Failure as failure:
            log.warning("lost the watch on %s after revision %d: %s", member.endpoint, after, failure.details)
        connection.leave(member)
        await asyncio.sleep(backoff.next())


async def _stream(member: Member, prefix: str, *, after: int, previous: bool) -> AsyncIterator[Batch]:
    create = rpc.WatchCreateRequest(
        key=_EVERYTHING,
        range_end=_EVERYTHING,
        start_revision=after + 1,
        progress_notify=True,
        prev_kv=previous,
    )
    call = await member.stream(WATCH, rpc.WatchRequest(create_request=create).SerializeToString())
    try:
        while (data := await call.read()) is not None:
            response = rpc.WatchResponse.FromString(data)
            if response.canceled:
                if response.compact_revision:
                    raise Compacted(response.compact_revision)
                return
            if response.header.revision < after:  # its data was restored: what we hold is of another history
                raise Compacted(response.header.revision)
            if response.events:
                yield _batch(prefix, response.events)
            elif not response.created and response.header.revision > after:
                yield Batch((), response.header.revision)
    finally:
        call.cancel(call)


def _batch(prefix: str, events: Sequence[Any]) -> Batch:
    # The header's revision is the store's at the time of sending, which may be ahead of the events still to come.
    changes = []
    for event in events:
        key = event.kv.key.decode()
        if key.startswith(prefix):
            changes.append(_change(key, event))
    return Batch(changes, events[-1].kv.mod_revision)


def _change(key: str, event: Any) -> Change:
    kv, before = event.kv, event.prev_kv
    previous = Stored(key, before.value, before.mod_revision, before.create_revision) if before.key else None
    return Change(key, kv.value, kv.mod_revision, deleted=event.type == _DELETE, previous=previous)
