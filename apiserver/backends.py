"""HTTP to those behind this server: kubelets, pods, extension servers. Requests and answers are streamed, never held whole.

Connections are kept for a while. An answer is read piece by piece, no faster than its reader takes it, and an answer that
was cut off is an error, never a short answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import httptools

from pocketkube.base import tasks
from pocketkube.base.sockets import probe_when_idle

Headers = Sequence[tuple[bytes, bytes]]
Body = AsyncIterator[bytes]

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 30.0
KEPT = 8  # idle connections to one target
STREAM_LIMIT = 1 << 18  # bytes read ahead
_CHUNK = 1 << 16
_SAFE_TWICE = frozenset(("GET", "HEAD", "OPTIONS"))


class BackendError(Exception):
    """No answer, or not all of it; the text says why."""


class Target(NamedTuple):
    """Where a connection goes. `context` is None for plain HTTP; `server_name`: whose certificate it must be, if not the host's."""

    host: str
    port: int
    context: ssl.SSLContext | None
    server_name: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


async def connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises BackendError where nobody answers."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                target.host,
                target.port,
                ssl=target.context,
                server_hostname=(target.server_name or target.host) if target.context else None,
                limit=STREAM_LIMIT,
            )
    except (OSError, TimeoutError, UnicodeError) as failure:
        raise BackendError(f"dial tcp {target.authority}: {failure or 'timed out'}") from None
    probe_when_idle(writer.get_extra_info("socket"))
    return reader, writer


class Connection:
    """One connection, one exchange at a time. httptools calls the on_* methods while it parses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self.writer = reader, writer
        self._parser = httptools.HttpResponseParser(self)
        self.used = False  # it has carried an exchange before
        self.expiry: asyncio.TimerHandle | None = None
        self.begin()

    def begin(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.started = self.has_head = self.complete = self._persistent = False

    @property
    def alive(self) -> bool:
        return not self.writer.is_closing() and not self._reader.at_eof()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
        else:
            self.status, self.has_head = status, True

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.complete = True
            self._persistent = bool(self._parser.should_keep_alive())

    @property
    def reusable(self) -> bool:
        return self.complete and self._persistent and self.alive

    async def advance(self) -> None:
        """Read and parse what comes next. Raises BackendError."""
        try:
            data = await self._reader.read(_CHUNK)
            if not data:
                return self._end()
            self.started = True
            self._parser.feed_data(data)
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade) as failure:
            raise BackendError(str(failure) or type(failure).__name__) from None

    def _end(self) -> None:
        """A body of unknown length ends with the connection; anything else was cut off."""
        sized = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        if not self.has_head or sized:
            raise BackendError("EOF" if not self.has_head else "unexpected EOF")
        self.complete = True

    def abort(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
        self.writer.transport.abort()


class Answer:
    """An answer whose head has come. Close it, whatever happens."""

    def __init__(self, backends: Backends, target: Target, connection: Connection, upload: asyncio.Task[None] | None):
        self._backends, self._target, self._connection, self._upload = backends, target, connection, upload
        self.status = connection.status
        self.headers = connection.headers
        self.bodiless = False
        self.stopped = False

    def header(self, name: bytes) -> bytes:
        """Its first value, b"" without one."""
        return next((v for n, v in self.headers if n == name), b"")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises BackendError where it is cut off, unless `stop` did that."""
        connection = self._connection
        while not self.bodiless:
            if connection.pieces:
                data, connection.pieces = b"".join(connection.pieces), []
                yield data
            elif connection.complete or self.stopped:
                return
            else:
                try:
                    await connection.advance()
                except BackendError:
                    if not self.stopped:
                        raise

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises BackendError past `limit` bytes."""
        found, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise BackendError(f"the answer is longer than {limit} bytes")
            found.append(piece)
        return b"".join(found)

    def stop(self) -> None:
        """End the body here, wherever it is."""
        self.stopped = True
        self._connection.abort()

    async def close(self) -> None:
        if self._upload is not None and not self._upload.done():
            self._connection.abort()
            await tasks.cancel(self._upload)
        self._backends.release(self._target, self._connection, keep=not self.bodiless)


class Backends:
    """The connections that wait for their next request, by target."""

    def __init__(self) -> None:
        self._idle: dict[Target, list[Connection]] = {}

    async def send(
        self, target: Target, method: str, path: str, *, headers: Headers = (), body: Body | None = None
    ) -> Answer:
        """Send a request; the answer comes with its head. `headers` say how the body is framed. Raises BackendError."""
        lines = [f"{method} {path} HTTP/1.1\r\nhost: {target.authority}\r\n".encode("latin-1")]
        lines += [b"%b: %b\r\n" % header for header in headers]
        head = b"".join((*lines, b"\r\n"))
        while True:
            connection = self._take(target) or Connection(*await connect(target))
            try:
                return await self._exchange(target, connection, method, head, headers=headers, body=body)
            except BackendError:
                connection.abort()
                again = connection.used and not connection.started and body is None and method in _SAFE_TWICE
                if not again:
                    raise
            except BaseException:
                connection.abort()
                raise

    async def _exchange(
        self, target: Target, connection: Connection, method: str, head: bytes, *, headers: Headers, body: Body | None
    ) -> Answer:
        connection.begin()
        connection.writer.write(head)
        upload = None
        if body is not None:
            chunked = not any(name == b"content-length" for name, _ in headers)
            upload = asyncio.create_task(_upload(connection, body, chunked=chunked), name="body to a backend")
        try:
            while not connection.has_head:
                await connection.advance()
        except BaseException:
            if upload is not None:
                await tasks.cancel(upload)
            raise
        answer = Answer(self, target, connection, upload)
        answer.bodiless = method == "HEAD"
        return answer

    def _take(self, target: Target) -> Connection | None:
        waiting = self._idle.get(target, [])
        while waiting:
            connection = waiting.pop()
            if connection.expiry is not None:
                connection.expiry.cancel()
            if not waiting:
                del self._idle[target]
            if connection.alive:
                return connection
            connection.abort()
        return None

    def release(self, target: Target, connection: Connection, *, keep: bool) -> None:
        """An exchange has ended: keep its connection for the next, or close it."""
        waiting = self._idle.get(target, [])
        if not keep or not connection.reusable or len(waiting) >= KEPT:
            connection.abort()
            return
        connection.used = True
        connection.expiry = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire, target, connection)
        self._idle.setdefault(target, waiting).append(connection)

    def _expire(self, target: Target, connection: Connection) -> None:
        waiting = self._idle.get(target, [])
        if connection in waiting:
            waiting.remove(connection)
        if not waiting:
            self._idle.pop(target, None)
        connection.abort()

    def close(self) -> None:
        """Of those that wait; exchanges under way end by themselves."""
        for waiting in self._idle.values():
            for connection in waiting:
                connection.abort()
        self._idle.clear()


async def _upload(connection: Connection, body: Body, *, chunked: bool) -> None:
    """Send a body as it comes. One that breaks off breaks the connection off; a peer that does not want it may say so."""
    writer = connection.writer
    try:
        async for piece in body:
            if piece:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
    except OSError:
        return  # the peer has closed: its answer, if there is one, says why
    except BackendError:
        connection.abort()
    finally:
        with suppress(RuntimeError):
            await _close(body)


async def _close(body: Body) -> None:
    closing = getattr(body, "aclose", None)
    if closing is not None:
        await closing()
