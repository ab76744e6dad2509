"""Streams for browsers: what a log or a watch sends, as messages of a WebSocket instead of the pieces of a body."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, MutableMapping
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from apiserver.request import Request
from pocketkube.base import tasks

BINARY, BASE64 = "binary.k8s.io", "base64.binary.k8s.io"
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 1 << 14


class Messages:
    """Takes the place of a request's `send`: a response of 200 becomes a WebSocket, any other goes out as it is.

    `lines`: each line is a message of text, as of a watch; otherwise messages are bytes as they come."""

    def __init__(self, request: Request, *, lines: bool):
        self._request, self._lines = request, lines
        self._plain = request.send
        self._offered = [
            word.strip()
            for word in request.header(b"sec-websocket-protocol").decode("latin-1").split(",")
            if word.strip() and not word.strip().startswith("base64url.bearer.")
        ]
        known = (word for word in self._offered if word in (BINARY, BASE64))
        self._protocol = next(known, self._offered[0] if self._offered and lines else "")
        self._writer: asyncio.StreamWriter | None = None
        self._connection = Connection(ConnectionType.SERVER)
        self._reading: asyncio.Task[None] | None = None
        self._refused = False
        self._gone: Callable[[], None] | None = None
        self._outer = request.scope["extensions"].get("pocketkube.disconnect")

    def install(self) -> None:
        request = self._request
        request.send = self.send
        request.scope["extensions"] = request.scope["extensions"] | {"pocketkube.disconnect": self._on_disconnect}

    def _on_disconnect(self, callback: Callable[[], None], *, stopping: bool = True) -> None:
        self._gone = callback
        if self._writer is None and self._outer is not None:
            self._outer(callback, stopping=stopping)
        elif self._reading is not None and self._reading.done():
            callback()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._refused or (message["type"] == "http.response.start" and message["status"] != 200):
            self._refused = True
            await self._plain(message)
        elif message["type"] == "http.response.start":
            await self._begin()
        else:
            await self._body(message.get("body") or b"", last=not message.get("more_body"))

    async def _begin(self) -> None:
        key = self._request.header(b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {accept}")
        if self._protocol:
            lines.append(f"Sec-WebSocket-Protocol: {self._protocol}")
        head = "\r\n".join((*lines, "", "")).encode("latin-1")
        try:
            reader, self._writer = await self._request.scope["extensions"]["pocketkube.upgrade"](head)
        except ConnectionError:  # the client has left: who sends hears of it as of any that leaves
            return
        self._reading = tasks.spawn("client of a WebSocket", self._read(reader, self._writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Clients say nothing but that they live, or leave."""
        try:
            while data := await reader.read(_CHUNK):
                self._connection.receive_data(data)
                for event in self._connection.events():
                    if isinstance(event, Ping) and self._connection.state is ConnectionState.OPEN:
                        writer.write(self._connection.send(event.response()))
                    elif isinstance(event, CloseConnection):
                        return
        except OSError:
            return
        finally:
            if self._gone is not None:
                self._gone()

    async def _body(self, body: bytes, *, last: bool) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        pieces = (body.splitlines() if self._lines else [body]) if body else []
        for piece in (
            pieces if self._connection.state is ConnectionState.OPEN else ()
        ):  # who said farewell hears no more
            writer.write(self._connection.send(self._message(piece)))
        try:
            await writer.drain()
        except OSError:
            return
        if last:
            if self._connection.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
                writer.write(self._connection.send(CloseConnection(code=1000)))
            writer.close()
            if self._reading is not None:
                await tasks.cancel(self._reading)

    def _message(self, piece: bytes) -> TextMessage | BytesMessage:
        if self._protocol == BASE64:
            return TextMessage(data=base64.b64encode(piece).decode())
        text = self._lines and self._protocol != BINARY
        return TextMessage(data=piece.decode()) if text else BytesMessage(data=piece)
