"""Calls to an etcd cluster over whichever member answers, within a deadline.

What may be repeated. A read may always be. A write may be if it certainly did not reach etcd: no connection was made, or
the server refused it before proposing it. Any other failure of a write is ambiguous: it may have been applied, or be applied
yet; it is raised as Ambiguous, and the caller, who knows what it compared, finds out.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from apiserver.storage.interface import Compacted, FutureRevision, StoreUnavailable, ValueTooLarge
from pocketkube.base import tls as tls_contexts
from pocketkube.base.backoff import Backoff
from pocketkube.base.grpc.calls import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNKNOWN,
    Failure,
    Method,
    Stream,
)
from pocketkube.base.grpc.channel import Channel

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 15.0  # for one operation with all its retries
ATTEMPT_SECONDS = 1.0  # after which another member is asked: what was passed on to a leader that died is never answered
AGAIN_SECONDS = 0.5  # the same for the tries after the first, growing...
LONGEST_SECONDS = 5.0  # ...to this
_PORT = 2379
_TRANSIENT = {UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED}


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
    """One endpoint of the cluster: a channel to it, made when first used and again when it was lost."""

    def __init__(self, endpoint: str, tls: Tls | None) -> None:
        url = urlsplit(endpoint if "://" in endpoint else f"{'https' if tls else 'http'}://{endpoint}")
        self.endpoint = endpoint
        self._scheme = url.scheme
        self._host, self._port = url.hostname or "127.0.0.1", url.port or _PORT
        self._authority = url.netloc
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._channel: Channel | None = None
        self._connecting: asyncio.Lock = asyncio.Lock()

    def ask(self, method: Method, message: bytes, *, seconds: float) -> Awaitable[bytes]:
        """The bytes of the answer. Raises Failure."""
        channel = self._channel
        if channel is None or channel.closed:
            return self._connect_and_ask(method, message, seconds)
        return channel.ask(method, message, seconds=seconds)

    async def stream(self, method: Method, message: bytes) -> Stream:
        return (await self._connected(ATTEMPT_SECONDS)).stream(method, message)

    async def _connect_and_ask(self, method: Method, message: bytes, seconds: float) -> bytes:
        return await (await self._connected(seconds)).ask(method, message, seconds=seconds)

    async def _connected(self, seconds: float) -> Channel:
        """A channel that takes calls; many who ask share one attempt."""
        try:
            async with asyncio.timeout(seconds), self._connecting:
                if self._channel is None or self._channel.closed:
                    self._channel = await self._connect()
                return self._channel
        except (OSError, TimeoutError) as fault:
            why = str(fault) or "no answer in time"
            raise Failure(UNAVAILABLE, f"cannot connect to {self.endpoint}: {why}", unsent=True) from None

    async def _connect(self) -> Channel:
        if self._scheme == "https" and self._context is None:
            self._context = _context(self._tls)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_connection(
            lambda: Channel(self._authority, scheme=self._scheme), self._host, self._port, ssl=self._context
        )
        return channel

    def end_streams(self) -> None:
        if self._channel is not None:
            self._channel.end_streams()

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


def _context(tls: Tls | None) -> ssl.SSLContext:
    """TLS for HTTP/2; without files the system's authorities are trusted."""
    context = (
        tls_contexts.client_context(tls.ca, tls.cert or None, tls.key or None) if tls else ssl.create_default_context()
    )
    context.set_alpn_protocols(["h2"])
    return context


class Connection:
    def __init__(self, endpoints: Sequence[str], tls: Tls | None = None) -> None:
        self._members = [Member(endpoint.rstrip("/"), tls) for endpoint in endpoints]
        self._at = 0

    @property
    def member(self) -> Member:
        """The member that is asked now."""
        return self._members[self._at]

    def leave(self, member: Member) -> None:
        """Ask the next member from now on, if this one is still asked. One that hangs says nothing on its streams either."""
        if member is self.member and len(self._members) > 1:
            self._at = (self._at + 1) % len(self._members)
            member.end_streams()

    async def read(self, method: Method, message: bytes, *, seconds: float = ATTEMPT_SECONDS) -> Any:
        """A call that may be repeated, first after `seconds`. Raises StoreUnavailable after the deadline, Compacted,
        FutureRevision."""
        member = self.member
        try:
            data = await member.ask(method, message, seconds=seconds)
        except Failure as failure:
            data = await self._again(method, message, member, failure, repeatable=True, seconds=seconds)
        return method.response.FromString(data)

    async def write(self, method: Method, message: bytes) -> Any:
        """A call that must not be applied twice. Raises also Ambiguous."""
        member = self.member
        try:
            data = await member.ask(method, message, seconds=ATTEMPT_SECONDS)
        except Failure as failure:
            data = await self._again(method, message, member, failure, repeatable=False, seconds=ATTEMPT_SECONDS)
        return method.response.FromString(data)

    async def _again(
        self, method: Method, message: bytes, member: Member, failure: Failure, *, repeatable: bool, seconds: float
    ) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_SECONDS
        backoff = Backoff(0.02, 0.5, jitter=0.2)
        patience = Backoff(max(AGAIN_SECONDS, seconds / 2), LONGEST_SECONDS)
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
                return await member.ask(method, message, seconds=min(patience.next(), max(left, 0.1)))
            except Failure as again:
                failure = again

    async def close(self) -> None:
        for member in self._members:
            member.close()


def _text(failure: Failure) -> str:
    return f"etcd: {failure.details or failure.code}"


def _raise_if_final(failure: Failure) -> None:
    """What another try would not change."""
    if "has been compacted" in failure.details:
        raise Compacted(0) from failure
    if "future revision" in failure.details:
        raise FutureRevision(0, 0) from failure
    if "request is too large" in failure.details or "larger than max" in failure.details:
        raise ValueTooLarge(failure.details) from failure
    if "lease not found" in failure.details:
        raise LeaseGone(_text(failure)) from failure
    if not _transient(failure) and not _not_applied(failure):
        raise StoreUnavailable(_text(failure)) from failure


def _transient(failure: Failure) -> bool:
    """Another try may do better. Where etcd itself ran out of time it says so in Go's words, under no code of its own."""
    return failure.code in _TRANSIENT or (failure.code == UNKNOWN and failure.details.startswith("context "))


def _not_applied(failure: Failure) -> bool:
    """The request certainly had no effect: it was never sent, or turned away at the door."""
    return failure.unsent or (failure.code == RESOURCE_EXHAUSTED and "too many requests" in failure.details)
