"""Old revisions are removed, as upstream's API servers do it together: of several, one compacts in each period.

They share the key `compact_rev_key`, whose version counts the periods and whose value is the revision at the last one's start.
Who moves the version on (one transaction) compacts to the revision of a period ago; the others just learn the new version.
"""

from __future__ import annotations

import logging

from apiserver.storage.etcd.connection import Connection
from apiserver.storage.etcd.messages import COMPACT, TXN, rpc
from apiserver.storage.interface import Compacted, StoreUnavailable
from pocketkube.base.clock import Clock, SystemClock

log = logging.getLogger(__name__)

KEY = b"compact_rev_key"
PERIOD_SECONDS = 300.0


class Compactor:
    def __init__(self, connection: Connection, *, clock: Clock | None = None, period: float = PERIOD_SECONDS) -> None:
        self._connection = connection
        self._clock = clock or SystemClock()
        self._period = period
        self._version = 0
        self._revision = 0  # at the start of the last period

    async def run(self) -> None:
        while True:
            await self._clock.sleep(self._period)
            try:
                await self.turn()
            except StoreUnavailable as failure:
                log.warning("compaction is put off: %s", failure)

    async def turn(self) -> int:
        """One period: the revision that was compacted to, or 0 where another server did it or there is nothing yet."""
        mine = rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.VERSION, key=KEY, version=self._version)
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=KEY, value=str(self._revision).encode()))
        get = rpc.RequestOp(request_range=rpc.RangeRequest(key=KEY))
        request = rpc.TxnRequest(compare=[mine], success=[put], failure=[get])
        # Repeating it is harmless: if the first try went through, the second takes the other branch.
        answer = await self._connection.read(TXN, request.SerializeToString())
        revision, self._revision = self._revision, answer.header.revision
        if not answer.succeeded:
            found = answer.responses[0].response_range.kvs
            self._version = found[0].version if found else 0
            return 0
        self._version += 1
        if not revision:
            return 0
        try:
            await self._connection.read(COMPACT, rpc.CompactionRequest(revision=revision).SerializeToString())
        except Compacted:
            return 0
        log.info("compacted the store up to revision %d", revision)
        return revision
