"""Calls to an etcd cluster over whichever member answers, within a deadline.

What may be repeated. A read may always be. A write may be if it certainly did not reach etcd: no connection was made, or
the server refused it before proposing it. Any other failure of a write is ambiguous: it may have been applied, or be applied
yet; it is raised as Ambiguous, and the caller, who knows what it compared, finds out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etcd3.etcdrpc as rpc
import grpc
from grpc import StatusCode, aio

from apiserver.storage.interface import Compacted, FutureRevision, StoreUnavailable
from pocketkube.base.backoff import Backoff

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 15.0  # for one operation with all its retries
ATTEMPT_SECONDS = 5.0  # after which another member is asked

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),  # ours are the only ones
    ("grpc.use_local_subchannel_pool", 1),
]
_TRANSIENT = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED}


class Ambiguous(StoreUnavailable):
    """A write's outcome is not known."""


class LeaseGone(StoreUnavailable):
    """The lease that a write names does not exist; nothing was written."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files: the CA that signed etcd's certificates, and the client certificate to show."""

    ca: str
    cert: str = ""
    key: str = ""


class Member:
    """One endpoint of the cluster: its channel and the stubs on it."""

    def __init__(self, endpoint: str, tls: Tls | None) -> None:
        scheme, separator, address = endpoint.rpartition("://")
        self.endpoint = endpoint
        secure = scheme == "https" or (not separator and tls is not None)
        self.channel = aio.secure_channel(address, _credentials(tls), _OPTIONS) if secure else _insecure(address)
        self.kv = rpc.KVStub(self.channel)
        self.lease = rpc.LeaseStub(self.channel)
        self.watch = rpc.WatchStub(self.channel)
        self.maintenance = rpc.MaintenanceStub(self.channel)


def _insecure(address: str) -> aio.Channel:
    return aio.insecure_channel(address, _OPTIONS)


def _credentials(tls: Tls | None) -> grpc.ChannelCredentials:
    if tls is None:
        return grpc.ssl_channel_credentials()
    files = [Path(name).read_bytes() if name else None for name in (tls.ca, tls.key, tls.cert)]
    return grpc.ssl_channel_credentials(*files)


class Connection:
    def __init__(self, endpoints: Sequence[str], tls: Tls | None = None) -> None:
        self._members = [Member(endpoint.rstrip("/"), tls) for endpoint in endpoints]
        self._at = 0

    @property
    def member(self) -> Member:
        """The member that is asked now."""
        return self._members[self._at]

    def leave(self, member: Member) -> None:
        """Ask the next member from now on, if this one is still asked."""
        if member is self.member:
            self._at = (self._at + 1) % len(self._members)

    async def read(self, method: Callable[[Member], Callable[..., Awaitable[Any]]], request: Any) -> Any:
        """A call that may be repeated. Raises StoreUnavailable after the deadline, Compacted, FutureRevision."""
        return await self._call(method, request, repeatable=True)

    async def write(self, method: Callable[[Member], Callable[..., Awaitable[Any]]], request: Any) -> Any:
        """A call that must not be applied twice. Raises also Ambiguous."""
        return await self._call(method, request, repeatable=False)

    async def _call(self, method: Any, request: Any, *, repeatable: bool) -> Any:
        member = self.member
        try:
            return await method(member)(request, timeout=ATTEMPT_SECONDS)
        except aio.AioRpcError as failure:
            return await self._again(method, request, member, failure, repeatable=repeatable)

    async def _again(
        self, method: Any, request: Any, member: Member, failure: aio.AioRpcError, *, repeatable: bool
    ) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_SECONDS
        backoff = Backoff(0.02, 0.5, jitter=0.2)
        while True:
            _raise_if_final(failure)
            self.leave(member)
            if not repeatable and not _not_applied(failure):
                raise Ambiguous(_text(failure))
            left = deadline - loop.time()
            if left <= 0:
                raise StoreUnavailable(_text(failure))
            await asyncio.sleep(backoff.next())
            member = self.member
            try:
                return await method(member)(request, timeout=min(ATTEMPT_SECONDS, max(left, 0.1)))
            except aio.AioRpcError as again:
                failure = again

    async def close(self) -> None:
        for member in self._members:
            await member.channel.close(grace=None)


def _text(failure: aio.AioRpcError) -> str:
    return f"etcd: {failure.details() or failure.code().name}"


def _raise_if_final(failure: aio.AioRpcError) -> None:
    """What another try would not change."""
    details = failure.details() or ""
    if "has been compacted" in details:
        raise Compacted(0) from failure
    if "future revision" in details:
        raise FutureRevision(0, 0) from failure
    if "lease not found" in details:
        raise LeaseGone(_text(failure)) from failure
    if failure.code() not in _TRANSIENT and not _not_applied(failure):
        raise StoreUnavailable(_text(failure)) from failure


def _not_applied(failure: aio.AioRpcError) -> bool:
    """The request certainly had no effect: it was never sent, or turned away at the door."""
    details = (failure.details() or "").lower()
    if failure.code() is StatusCode.UNAVAILABLE:
        return "failed to connect" in details or "connection refused" in details
    return failure.code() is StatusCode.RESOURCE_EXHAUSTED and "too many requests" in details
