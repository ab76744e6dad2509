"""Leases for keys that expire. Many keys share one lease, as upstream's lease manager lets them, so that a burst of events
does not burden etcd with a lease each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.messages import LEASE_GRANT, rpc

KEYS_A_LEASE = 1000
SHARED_SECONDS = 60.0  # a key may live this much longer than asked for, at most...
SHARED_PART = 0.05  # ...or this part of its time, if that is less


@dataclass(slots=True)
class _Bucket:
    lease: int
    expires: float
    keys: int


class Leases:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buckets: dict[int, _Bucket] = {}  # by the ttl asked for
        self._locks: dict[int, asyncio.Lock] = {}

    async def lease(self, ttl_seconds: int) -> int:
        """The id of a lease that ends in `ttl_seconds` or a little later; 0 for no ttl."""
        if ttl_seconds <= 0:
            return 0
        async with self._locks.setdefault(ttl_seconds, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            bucket = self._buckets.get(ttl_seconds)
            if bucket is None or bucket.expires - now < ttl_seconds or bucket.keys >= KEYS_A_LEASE:
                bucket = await self._grant(ttl_seconds, now)
                self._buckets[ttl_seconds] = bucket
            bucket.keys += 1
            return bucket.lease

    async def _grant(self, ttl_seconds: int, now: float) -> _Bucket:
        seconds = ttl_seconds + max(1, int(min(SHARED_SECONDS, ttl_seconds * SHARED_PART)))
        # A grant whose answer was lost leaves a lease without keys, which ends by itself: it may be repeated.
        answer = await self._connection.read(LEASE_GRANT, rpc.LeaseGrantRequest(TTL=seconds).SerializeToString())
        return _Bucket(answer.ID, now + seconds, 0)

    def forget(self) -> None:
        """etcd does not know one of the leases any more (its data was restored): begin anew."""
        self._buckets.clear()
