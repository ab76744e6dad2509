"""Calls to one key management service: within its time, measured, over a channel that is made again when it was lost."""

from __future__ import annotations

import asyncio
from time import perf_counter
from urllib.parse import urlsplit

from apiserver.storage.encryption.measures import Measures
from pocketkube.base.backoff import Backoff
from pocketkube.base.grpc.calls import DEADLINE_EXCEEDED, UNAVAILABLE, Failure, Method
from pocketkube.base.grpc.channel import Channel

CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
    "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss",
    "Unauthenticated",
)  # fmt: skip


def code_of(failure: Failure) -> str:
    return CODES[failure.code] if failure.code < len(CODES) else f"Code({failure.code})"


def words(failure: Failure) -> str:
    """As Go's client writes it."""
    return f"rpc error: code = {code_of(failure)} desc = {failure.details}"


def socket_path(endpoint: str) -> str:
    """Of `unix:///run/kms.sock`; of `unix:///@name`, which has no file, the abstract name."""
    path = urlsplit(endpoint).path
    return f"\0{path[2:]}" if path.startswith("/@") else path


class Service:
    """`name` is the provider's, `seconds` what each call may take."""

    def __init__(self, name: str, endpoint: str, seconds: float, measures: Measures):
        self.name = name
        self.seconds = seconds
        self._endpoint = endpoint
        self._measures = measures
        self._channel: Channel | None = None
        self._connecting: asyncio.Lock | None = None

    async def ask(self, method: Method, message: bytes) -> bytes:
        """The bytes of the answer. A service that is not there yet is waited for. Raises Failure."""
        started, code = perf_counter(), "OK"
        try:
            async with asyncio.timeout(self.seconds):
                channel = await self._connected()
                return await channel.ask(method, message, seconds=self.seconds)
        except TimeoutError:
            code = CODES[DEADLINE_EXCEEDED]
            raise Failure(DEADLINE_EXCEEDED, f"context deadline exceeded, asking {self._endpoint}") from None
        except Failure as failure:
            code = code_of(failure)
            raise
        finally:
            self._measures.called(self.name, method.path, code, perf_counter() - started)

    async def _connected(self) -> Channel:
        backoff = Backoff(0.02, 0.5, jitter=0.2)
        self._connecting = self._connecting or asyncio.Lock()
        async with self._connecting:
            while self._channel is None or self._channel.closed:
                try:
                    self._channel = await self._connect()
                except OSError:
                    await asyncio.sleep(backoff.next())
            return self._channel

    async def _connect(self) -> Channel:
        path = socket_path(self._endpoint)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: Channel("localhost", scheme="http"), path)
        return channel

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


__all__ = ["UNAVAILABLE", "Failure", "Service", "code_of", "socket_path", "words"]
