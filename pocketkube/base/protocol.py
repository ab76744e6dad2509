"""uvicorn's HTTP/1.1 protocol with what an API server needs: client certificates, upgrades, and little work a request.

Relied on in uvicorn: HttpToolsProtocol's constructor, its attributes parser, transport, flow, loop, app, connections and tasks,
its on_url, send_400_response and FlowControl, and STATUS_LINE. The rest of its per-request path is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import re
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from pocketkube.base.exchange import Exchange
from pocketkube.base.sockets import probe_when_idle
from pocketkube.base.tls import peer_certificate

log = logging.getLogger(__name__)

_BAD_CODE = re.compile("%(?![0-9A-Fa-f]{2})")
MAX_HEAD = 1 << 20  # bytes of a request's line and headers, as Go's server
MAX_HEADERS = 2_000  # each costs the loop's time
FAREWELL_SECONDS = 1.0  # in which a connection that was given away takes its last bytes when the server stops
STREAM_LIMIT = 1 << 18  # bytes that a hijacked connection's reader holds before it stops reading


class Protocol(HttpToolsProtocol):  # type: ignore[misc]
    """One connection. Requests on it are answered one after the other."""

    parser: Any
    headers: list[tuple[bytes, bytes]]
    exchange: Exchange | None = None
    receiving: Exchange | None = None  # whose body comes in
    head_bytes = 0
    hijacked = False
    upgraded: bytearray | None = None  # what followed an upgrade request, until someone takes the connection over
    when_gone: Callable[[], None] | None = None
    ends_early = False  # when_gone is for a server that stops, too
    blocked_since = 0.0  # when the client stopped reading what we write; 0: it reads

    def connection_made(self, transport: Any) -> None:
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = get_local_addr(transport)
        self.client = get_remote_addr(transport)
        tls = transport.get_extra_info("ssl_object")
        self.scheme = "http" if tls is None else "https"
        self.waiting: deque[Exchange] = deque()
        self.idle_since = self.loop.time()
        self.extensions: dict[str, Any] = {
            "pocketkube.tls": {"peer_certificate": peer_certificate(tls) if tls is not None else None},
            "pocketkube.disconnect": self.on_disconnect,
            "pocketkube.body": self.whole_body,
            "pocketkube.respond": self.respond,
            "pocketkube.cut_off": self.cut_off,
        }
        probe_when_idle(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self.parser = None
        self.flow.resume_writing()
        for exchange in (self.exchange, *self.waiting):
            if exchange is not None and not exchange.complete:
                exchange.gone = True
                exchange.wake()
        self.waiting.clear()
        self._tell_gone()
        if self.exchange is None or self.exchange.complete:
            self.let_go()

    def let_go(self) -> None:
        """The connection is lost and nobody works for it any more: nothing refers to it in a circle from now on, so that its
        buffers go at once, and not when garbage is collected for the next time."""
        self.extensions = {}
        self.exchange = self.receiving = None

    def on_disconnect(self, callback: Callable[[], None], *, stopping: bool = True) -> None:
        """Have `callback` called, once, if the client leaves before the current response is complete; with `stopping`
        also if the server stops. It takes the place of the one before."""
        self.when_gone, self.ends_early = callback, stopping
        exchange = self.exchange
        if exchange is not None and (exchange.gone or (stopping and exchange.stopping)):
            self._tell_gone()

    def cut_off(self) -> None:
        """End the connection in the middle of the current response: its client must not take it for a whole one."""
        if self.exchange is not None:
            self.exchange.gone = True
        self.transport.abort()

    def _tell_gone(self) -> None:
        callback, self.when_gone = self.when_gone, None
        if callback is not None:
            callback()

    # What the client sends

    def data_received(self, data: bytes) -> None:
        if self.upgraded is not None:
            self.upgraded += data
            if len(self.upgraded) > STREAM_LIMIT:
                self.flow.pause_reading()
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgraded = bytearray(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self.exchange is None or self.exchange.complete:
                self.send_400_response("Invalid HTTP request received.")
            else:
                self.transport.close()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.head_bytes = 0
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.headers.append((name, value))
        self.head_bytes += len(name) + len(value)
        if self.head_bytes > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            raise ValueError("the request's headers are too large")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        parser = self.parser
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"
        path = raw_path.decode("ascii")
        version = parser.get_http_version()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "method": parser.get_method().decode("ascii"),
            "path": _unquoted(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": url.query or b"",
            "headers": self.headers,
            "extensions": self.extensions,
            "state": {},
        }
        upgrade = parser.should_upgrade()
        exchange = Exchange(
            self,
            scope,
            keep_alive=version == "1.1" and parser.should_keep_alive() and not upgrade,
            expect_continue=self.expect_100_continue,
        )
        if upgrade:
            scope["extensions"] = self.extensions | {"pocketkube.upgrade": self.hijack}
        self.receiving = exchange
        if self.exchange is None or self.exchange.complete:
            self._begin(exchange)
        else:
            self.waiting.append(exchange)
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        exchange = self.receiving
        if exchange is None or exchange.complete:
            return
        exchange.add(body)
        if len(exchange.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        exchange.wake()

    def on_message_complete(self) -> None:
        if self.receiving is not None:
            self.receiving.more_body = False
            self.receiving.wake()

    # What we answer

    def _begin(self, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(exchange.task)  # until it ends, which it says itself: a callback would cost it another turn

    def whole_body(self) -> bytes | None:
        """The current request's body, if all of it is there; None where it has to be received."""
        return None if self.exchange is None else self.exchange.whole_body()

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """The response to the current request at once, without ASGI's messages; False where it must be sent with them."""
        return self.exchange is not None and self.exchange.respond(status, headers, body)

    def exchange_complete(self, exchange: Exchange) -> None:
        """The response has been written: close, or go on with the next request."""
        self.when_gone = None
        if not exchange.keep_alive:
            self.transport.close()
            return
        self.idle_since = self.loop.time()
        self.flow.resume_reading()
        if self.waiting and not self.transport.is_closing():
            self._begin(self.waiting.popleft())

    async def hijack(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Answer an upgrade request with `head` (status line, headers, empty line) and give the raw connection away.

        The caller closes the writer. What the client sent behind its request is in the reader. Raises ConnectionError.
        """
        exchange = self.exchange
        if exchange is None or exchange.gone or exchange.started or self.transport.is_closing():
            raise ConnectionResetError("the connection cannot be taken over")
        exchange.started = exchange.complete = True
        self.when_gone = None
        self.hijacked = True
        self.blocked_since = 0.0
        reader = asyncio.StreamReader(limit=STREAM_LIMIT, loop=self.loop)
        stream = _Hijacked(reader, loop=self.loop, lost=self._stream_lost)
        self.transport.set_protocol(stream)
        stream.connection_made(self.transport)
        if self.flow.write_paused:
            stream.pause_writing()
        if self.upgraded:
            reader.feed_data(bytes(self.upgraded))
        self.upgraded = bytearray()
        self.flow.resume_reading()
        self.parser = None
        self.transport.write(head)
        return reader, asyncio.StreamWriter(self.transport, stream, reader, self.loop)

    def _stream_lost(self) -> None:
        self.connections.discard(self)
        self.let_go()

    # What the server asks

    def shutdown(self) -> None:
        """Close if idle or given away; otherwise let the response end, and tell a streamed one to."""
        exchange = self.exchange
        if exchange is None or exchange.complete:
            self.transport.close()
            if self.hijacked:  # its client may not be reading
                self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)
            return
        exchange.keep_alive = False
        exchange.stopping = True
        exchange.wake()
        if self.ends_early:
            self._tell_gone()

    def close_if_idle(self, since: float) -> None:
        """Close if no request has been there since that moment of the loop's time."""
        if (self.exchange is None or self.exchange.complete) and self.idle_since < since and not self.hijacked:
            self.transport.close()

    def abort_if_stalled(self, since: float) -> None:
        """Drop a client that has taken nothing of what waits for it since that moment of the loop's time."""
        if self.blocked_since and self.blocked_since < since:
            self.transport.abort()

    def pause_writing(self) -> None:
        self.blocked_since = self.loop.time()
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.blocked_since = 0.0
        self.flow.resume_writing()


def _unquoted(path: str) -> str:
    """Raises ValueError for a percent sign that begins no code."""
    if _BAD_CODE.search(path):
        raise ValueError("invalid URL escape")
    return urllib.parse.unquote(path)


class _Hijacked(asyncio.StreamReaderProtocol):
    """A connection that was given away: who got it reads and writes a stream, and the server still knows of it."""

    def __init__(self, reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop, lost: Callable[[], None]):
        super().__init__(reader, loop=loop)
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
        super().connection_lost(exc)
