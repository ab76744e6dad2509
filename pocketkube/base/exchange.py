"""One HTTP request and its response, between uvicorn's parser and an ASGI application."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pocketkube.base.kept import Kept

if TYPE_CHECKING:
    from pocketkube.base.protocol import Protocol

log = logging.getLogger(__name__)

Message = dict[str, Any]
Header = tuple[bytes, bytes]

_BODILESS = (204, 304)
PIECE = 1 << 17  # bytes written at once: of larger ones, encrypted, each connection keeps the room

_FAILED = b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"InternalError","code":500}'
_date = (0, b"")
_known: Kept[Header, bytes] = Kept(256)  # as they are sent: most answers have the same
_OF_ONE_ANSWER = frozenset((b"audit-id", b"etag", b"location", b"last-modified"))


def _date_line() -> bytes:
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n")
    return _date[1]


def _line(header: Header) -> bytes:
    """A header as it is sent. Raises ValueError."""
    line = b"%b: %b\r\n" % header
    if line.count(b"\n") != 1 or line.count(b"\r") != 1:
        raise ValueError("a header value holds a line break")
    return line if header[0] in _OF_ONE_ANSWER else _known.keep(header, line)


class Exchange:
    """Reads the body with `receive`, writes with `send`, as ASGI 3 says.

    A response of known length leaves in one write with its head; a streamed one sends its head at once.
    """

    __slots__ = (
        "body",
        "chunked",
        "complete",
        "delivered",
        "expect_continue",
        "gone",
        "head",
        "keep_alive",
        "left",
        "method",
        "more_body",
        "protocol",
        "scope",
        "started",
        "stopping",
        "task",
        "waiter",
    )

    def __init__(self, protocol: Protocol, scope: Message, *, keep_alive: bool, expect_continue: bool) -> None:
        self.protocol = protocol
        self.scope = scope
        self.method: str = scope["method"]
        self.keep_alive = keep_alive
        self.expect_continue = expect_continue
        self.body: bytes | bytearray = b""  # received and not yet handed out
        self.more_body = True
        self.delivered = False  # the end of the body has been handed out
        self.gone = False  # the client is away
        self.stopping = False  # the server is, and would like a streamed response to end
        self.started = False
        self.complete = False
        self.chunked = False
        self.left = 0  # bytes that the announced content-length still lacks
        self.task: asyncio.Task[None] | None = None
        self.head: bytes | None = None  # waits for the first bytes of the body
        self.waiter: asyncio.Future[None] | None = None

    async def run(self, app: Callable[..., Any]) -> None:
        try:
            await app(self.scope, self.receive, self.send)
            if not self.complete and not self.gone:
                raise RuntimeError("the application returned without completing its response")
        except asyncio.CancelledError:
            self.gone = True
            self.protocol.transport.abort()
            raise
        except Exception as failure:
            if not self.gone:
                log.error("%s %s failed: %r", self.method, self.scope["path"], failure, exc_info=failure)
                await self._fail()
        finally:
            self.protocol.tasks.discard(self.task)
            self.task = None  # its context leads back here
            if self.gone:
                self.protocol.let_go()

    async def _fail(self) -> None:
        if self.started and self.head is None:
            self.protocol.transport.abort()  # the client must see that the response was cut off
            return
        self.started, self.chunked, self.head, self.keep_alive = False, False, None, False
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_FAILED))]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _FAILED})

    async def receive(self) -> Message:
        if self.expect_continue:
            self.expect_continue = False
            self.protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._readable():
            self.protocol.flow.resume_reading()
            self.waiter = self.protocol.loop.create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        if self._over():
            return {"type": "http.disconnect"}
        message = {"type": "http.request", "body": self._taken(), "more_body": self.more_body}
        self.delivered = not self.more_body
        return message

    def whole_body(self) -> bytes | None:
        """The body, where all of it has come already and none has been handed out: who gets it need not `receive`."""
        if self.more_body or self.delivered or self.expect_continue or self._over():
            return None
        self.delivered = True
        return self._taken()

    def add(self, body: bytes) -> None:
        """More of the body has come: in one piece as a rule, byte by byte from who means ill."""
        if not self.body:
            self.body = body
            return
        if isinstance(self.body, bytes):
            self.body = bytearray(self.body)
        self.body += body

    def _taken(self) -> bytes:
        body, self.body = self.body, b""
        return body if isinstance(body, bytes) else bytes(body)

    def _readable(self) -> bool:
        return bool(self.body) or not (self.more_body or self.delivered) or self._over()

    def _over(self) -> bool:
        return self.gone or self.complete or (self.stopping and self.started)

    def wake(self) -> None:
        """Something changed that `receive` may wait for."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def send(self, message: Message) -> None:
        flow = self.protocol.flow
        if flow.write_paused and not self.gone:
            await flow.drain()
        if self.gone:
            return
        if not self.started:
            self._start(message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.start":
            raise RuntimeError("the response has begun already")
        elif not self.complete:
            body, last = message.get("body", b""), not message.get("more_body", False)
            if len(body) > PIECE:
                body = await self._all_but_rest(memoryview(body))
            if not self.gone:
                self._body(body, last=last)
        else:
            raise RuntimeError("the response is complete already")

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """A whole response in one write; False, and nothing done, where `send` has to look closer. `headers` have names in
        lower case and say nothing of length and connection."""
        if self.started or self.gone or len(body) > PIECE or self.protocol.flow.write_paused or self.method == "HEAD":
            return False
        if status in _BODILESS:
            return False
        try:
            lines = b"".join([_known.get(header) or _line(header) for header in headers])
        except ValueError:
            return False
        self.started = self.complete = True
        self.expect_continue = False
        last = b"" if self.keep_alive else b"connection: close\r\n"
        data = STATUS_LINE[status], _date_line(), len(body), lines, last, body
        self.protocol.transport.write(b"%b%bcontent-length: %d\r\n%b%b\r\n%b" % data)
        self.wake()
        self.protocol.exchange_complete(self)
        return True

    def _start(self, status: int, headers: Any) -> None:
        self.started = True
        self.expect_continue = False
        lines = [STATUS_LINE[status], _date_line()]
        sized = status in _BODILESS
        added = 0
        for name, value in headers:
            name = name.lower()
            if name == b"content-length":
                self.left = int(value)
                sized = True
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            elif name == b"transfer-encoding":
                continue
            lines += (name, b": ", value, b"\r\n")
            added += 1
        if self.method == "HEAD" or status in _BODILESS:
            self.left = 0
        elif not sized:
            self.chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        breaks = 3 + added + self.chunked + (not self.keep_alive)
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            self.started = False
            raise ValueError("a header value holds a line break")
        if self.chunked:
            self.protocol.transport.write(head)
        else:
            self.head = head

    async def _all_but_rest(self, body: memoryview) -> memoryview:
        """Write a large body piece by piece, as fast as the client reads, and give back its last piece: what waits for
        a slow client is then one piece encrypted, not the whole."""
        flow = self.protocol.flow
        while len(body) > PIECE and not self.gone:
            self._body(body[:PIECE], last=False)
            body = body[PIECE:]
            if flow.write_paused:
                await flow.drain()
        return body

    def _body(self, body: Any, *, last: bool) -> None:
        transport = self.protocol.transport
        if self.chunked:
            if body:
                transport.write(b"%x\r\n%b\r\n%b" % (len(body), body, b"0\r\n\r\n" if last else b""))
            elif last:
                transport.write(b"0\r\n\r\n")
        else:
            if self.method == "HEAD":
                body = b""
            self.left -= len(body)
            if self.left < 0 or (last and self.left):
                raise RuntimeError("the response is not as long as its content-length says")
            if self.head is not None:
                head, self.head = self.head, None
                transport.write(head + body)
            elif body:
                transport.write(body)
        if last:
            self.complete = True
            self.wake()
            self.protocol.exchange_complete(self)
