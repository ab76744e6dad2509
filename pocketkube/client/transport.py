"""An httpx transport over asyncio and httptools: the same requests and errors as httpx's own, at a fifth of its CPU.

httpx goes through httpcore and h11, which cost a component several hundred microseconds a request. Here a connection is
one asyncio protocol; a pool keeps idle ones. Bodies of requests are bytes. Answers come whole, unless the request's
extension `stream` is true: then its body is read piece by piece and the peer is slowed down when the reader is slow.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from time import monotonic

import httptools
import httpx

HIGH_WATER = 1 << 20  # bytes of an unread streamed body from which on we stop reading from the socket


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, one exchange at a time. httptools calls the on_* methods while it parses."""

    def __init__(self, released: Callable[[_Connection], None]):
        self._released = released
        self._loop = asyncio.get_running_loop()
        self.socket: asyncio.Transport
        self.closed = False
        self.idle_since = 0.0
        self._failure: Exception | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._reset(stream=False, head=False)

    def _reset(self, *, stream: bool, head: bool) -> None:
        self.streaming, self._head = stream, head
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: deque[bytes] = deque()
        self._unread = 0
        self._paused = self._has_headers = self.complete = self._reusable = False
        self.started = False  # a byte of the answer came

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.socket = transport  # type: ignore[assignment]
        if raw := transport.get_extra_info("socket"):
            _keep_alive(raw)

    def data_received(self, data: bytes) -> None:
        self.started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(httpx.RemoteProtocolError("the server switched protocols"))
        except httptools.HttpParserError as e:
            self._fail(httpx.RemoteProtocolError(str(e)))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._has_headers and not self.complete and not self._delimited():
            self.complete = True  # such a body ends with the connection
        self._fail(httpx.ReadError(str(exc)) if exc else httpx.RemoteProtocolError("the server closed the connection"))

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # --- what httptools calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self.headers = []
            return
        self.status, self._has_headers = status, True
        if self.streaming or self._head:
            self._wake()

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)
        if self.streaming:
            self._unread += len(data)
            if self._unread > HIGH_WATER and not self._paused:
                self._paused = True
                self.socket.pause_reading()
            self._wake()

    def on_message_complete(self) -> None:
        if self._has_headers:
            self.complete = True
            self._reusable = self._parser.should_keep_alive()
            self._wake()

    # --- what the pool and the response call

    async def exchange(self, request: bytes, *, stream: bool, head: bool) -> None:
        """Sends the request; returns when the answer is complete, or with `stream` when its headers are."""
        self._reset(stream=stream, head=head)
        if self.closed:
            raise httpx.WriteError("the connection is closed")
        self.socket.write(request)
        if self._writable is not None:
            await self._writable
        while not (self.complete or (self._has_headers and (stream or head))):
            await self._changed()

    async def more(self) -> bytes:
        """What came of a streamed body since the last call; b"" at its end."""
        while not self.pieces:
            if self.complete:
                return b""
            await self._changed()
        data = self.pieces.popleft() if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self._unread = 0
        if self._paused:
            self._paused = False
            self.socket.resume_reading()
        return data

    def release(self) -> None:
        """Back to the pool if another request can follow, else closed."""
        if not (self.complete and self._reusable) or self.closed or self._failure is not None or self._head:
            self.close()
        self._released(self)

    def close(self) -> None:
        self.closed = True
        if not self.socket.is_closing():
            self.socket.abort() if self.streaming else self.socket.close()

    async def _changed(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self.closed = True
        self.resume_writing()
        self._wake()
        if not self.socket.is_closing():
            self.socket.abort()

    def _delimited(self) -> bool:
        return any(n.lower() in (b"content-length", b"transfer-encoding") for n, _ in self.headers)


def _keep_alive(raw: socket.socket) -> None:
    """A peer that vanished without a word is noticed within half a minute, with or without unsent data."""
    with suppress(OSError, AttributeError):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)


class _Body(httpx.AsyncByteStream):
    """The streamed body of a response; closing it early closes the connection."""

    def __init__(self, connection: _Connection):
        self._connection: _Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None:
            data = await self._connection.more()
            if not data:
                await self.aclose()
                return
            yield data

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


class Transport(httpx.AsyncBaseTransport):
    """A pool of connections to one origin. At most `limit` at once; requests beyond wait in line.

    `tls` gives the context (called for every new connection, so renewed certificates come into use), `server_name` what
    the server's certificate must be for, if not its address."""

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        *,
        server_name: str = "",
        limit: int = 32,
        connect_seconds: float = 10.0,
        idle_seconds: float = 60.0,
    ):
        self._tls, self._server_name = tls, server_name
        self._connect_seconds, self._idle_seconds = connect_seconds, idle_seconds
        self._free = limit
        self._line: deque[asyncio.Future[None]] = deque()
        self._idle: list[_Connection] = []  # the most recently used last: it is taken first, the others grow old
        self._open: set[_Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        wire = _head(request) + await _body(request)
        stream = bool(request.extensions.get("stream"))
        seconds = request.extensions.get("timeout", {}).get("read")
        await self._enter()
        try:
            async with asyncio.timeout(seconds):
                connection = await self._exchange(request, wire, stream)
        except TimeoutError as e:
            self._leave()
            raise httpx.ReadTimeout(f"no answer within {seconds} s", request=request) from e
        except BaseException:
            self._leave()
            raise
        if stream:
            return httpx.Response(connection.status, headers=connection.headers, stream=_Body(connection))
        content = connection.pieces[0] if len(connection.pieces) == 1 else b"".join(connection.pieces)
        status, headers = connection.status, connection.headers
        connection.release()
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))

    async def _exchange(self, request: httpx.Request, wire: bytes, stream: bool) -> _Connection:
        """One try on an idle connection, and another on a fresh one if the idle one turned out to be dead."""
        head = request.method == "HEAD"
        while (connection := self._take_idle()) is not None:
            try:
                await connection.exchange(wire, stream=stream, head=head)
                return connection
            except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
                # The server may have closed it as we wrote. Only what is safe to send twice is sent again.
                self._drop(connection)
                if connection.started or request.method not in ("GET", "HEAD", "PUT", "OPTIONS"):
                    raise
            except BaseException:
                self._drop(connection)
                raise
        connection = await self._connect(request)
        try:
            await connection.exchange(wire, stream=stream, head=head)
        except BaseException:
            self._drop(connection)
            raise
        return connection

    def _drop(self, connection: _Connection) -> None:
        connection.close()
        self._open.discard(connection)

    def _take_idle(self) -> _Connection | None:
        now = monotonic()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and now - connection.idle_since < self._idle_seconds:
                return connection
            self._drop(connection)
        return None

    async def _connect(self, request: httpx.Request) -> _Connection:
        url = request.url
        tls = self._tls() if url.scheme == "https" else None
        port = url.port or (443 if tls else 80)
        name = (self._server_name or url.host) if tls else None
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._release), url.host, port, ssl=tls, server_hostname=name
                )
        except TimeoutError as e:
            raise httpx.ConnectTimeout(f"{url.host}:{port} does not answer", request=request) from e
        except (OSError, ssl.SSLError) as e:
            raise httpx.ConnectError(f"{url.host}:{port}: {e}", request=request) from e
        self._open.add(connection)
        return connection

    async def _enter(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _release(self, connection: _Connection) -> None:
        if connection.closed:
            self._open.discard(connection)
        else:
            connection.idle_since = monotonic()
            self._idle.append(connection)
        self._leave()

    async def aclose(self) -> None:
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._idle.clear()
        await asyncio.sleep(0)


async def _body(request: httpx.Request) -> bytes:
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return b"".join([piece async for piece in request.stream])


def _head(request: httpx.Request) -> bytes:
    target = request.extensions.get("target") or request.url.raw_path
    head = [b"%b %b HTTP/1.1\r\n" % (request.method.encode(), target)]
    head += [b"%b: %b\r\n" % header for header in request.headers.raw]
    head.append(b"\r\n")
    return b"".join(head)
