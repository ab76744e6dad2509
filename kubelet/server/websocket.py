"""The server's end of a WebSocket on a connection that we took over: handshake, messages, and a byte stream inside messages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHUNK = 65536
MOST_MESSAGE = 64 << 20  # bytes; Python's client sends all of its input as one message


def handshake(key: bytes, protocol: str) -> bytes:
    """The head of the answer that accepts."""
    accept = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, "", ""]).encode()


def choose(offered: Iterable[str], supported: Iterable[str]) -> str | None:
    """The first that we support; None if the client offers others only."""
    offers = list(offered)
    return next((name for name in supported if name in offers), None)


class WebSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = Connection(ConnectionType.SERVER)
        self._closed = False

    async def messages(self) -> AsyncIterator[bytes]:
        """Whole messages, text as its bytes, until either side closes."""
        pending = bytearray()
        while data := await self._read():
            self._connection.receive_data(data)
            for event in self._connection.events():
                if isinstance(event, BytesMessage | TextMessage):
                    part = event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                    pending += part
                    if len(pending) > MOST_MESSAGE:
                        await self.close(code=1009)
                        return
                    if event.message_finished:
                        yield bytes(pending)
                        pending.clear()
                elif isinstance(event, Ping):
                    self._writer.write(self._connection.send(event.response()))
                elif isinstance(event, CloseConnection):
                    await self.close()
                    return

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(CHUNK)
        except OSError:
            return b""

    async def send(self, data: bytes) -> None:
        if not self._closed:
            self._writer.write(self._connection.send(BytesMessage(data=data)))
            await self._writer.drain()

    async def send_text(self, text: str) -> None:
        if not self._closed:
            self._writer.write(self._connection.send(TextMessage(data=text)))
            await self._writer.drain()

    async def pong(self) -> None:
        """An unasked pong keeps the connection open through whatever sits between."""
        if not self._closed:
            self._writer.write(self._connection.send(Pong()))

    async def close(self, code: int = 1000) -> None:
        if not self._closed:
            self._closed = True
            self._writer.write(self._connection.send(CloseConnection(code=code)))
            self._writer.close()


class Tunnel:
    """Bytes carried in a WebSocket's messages, as the reader and writer of a session."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._messages = socket.messages()
        self._buffer = b""
        self._outgoing = bytearray()

    async def readexactly(self, n: int) -> bytes:
        while len(self._buffer) < n:
            try:
                self._buffer += await anext(self._messages)
            except StopAsyncIteration:
                raise asyncio.IncompleteReadError(self._buffer, n) from None
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def write(self, data: bytes) -> None:
        self._outgoing += data

    async def drain(self) -> None:
        data, self._outgoing = bytes(self._outgoing), bytearray()
        if data:
            await self._socket.send(data)

    def close(self) -> None:
        self._closing = asyncio.ensure_future(self._socket.close())
