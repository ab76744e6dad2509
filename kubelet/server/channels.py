"""The standard streams of a remote command over either wire: WebSocket channels, or streams of a SPDY session.

WebSocket   the first byte of a message is its channel: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize, 255 closes a channel
SPDY        a stream each; its header streamType says which
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol

from kubelet.server.websocket import WebSocket
from pocketkube.base.spdy import Session, SpdyError, Stream

Obj = dict[str, Any]

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
WEBSOCKET_PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
SPDY_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
CREATION_SECONDS = 30.0
NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": STATUS, "resize": RESIZE}


class Channels(Protocol):
    """`received` gives (STDIN or RESIZE, bytes); empty bytes of STDIN are its end."""

    def received(self) -> AsyncIterator[tuple[int, bytes]]: ...
    async def send(self, channel: int, data: bytes) -> None: ...
    async def finish(self, status: Obj) -> None:
        """Send the status, then close everything."""


class WebSocketChannels:
    def __init__(self, socket: WebSocket, protocol: str) -> None:
        self._socket = socket
        self._base64 = "base64" in protocol
        self._typed_status = protocol.startswith(("v4", "v5"))

    async def received(self) -> AsyncIterator[tuple[int, bytes]]:
        async for message in self._socket.messages():
            if not message:
                continue
            if self._base64:
                channel, data = message[0] - ord("0"), base64.b64decode(message[1:] + b"==")
            else:
                channel, data = message[0], message[1:]
            if channel == CLOSE and data[:1] == bytes([STDIN]):
                yield STDIN, b""
            elif channel in (STDIN, RESIZE) and data:
                yield channel, data
        yield STDIN, b""

    async def send(self, channel: int, data: bytes) -> None:
        if self._base64:
            await self._socket.send_text(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send(bytes([channel]) + data)

    async def finish(self, status: Obj) -> None:
        with suppress(OSError):
            if self._typed_status:
                await self.send(STATUS, json.dumps(status).encode())
            elif status.get("status") != "Success":
                await self.send(STATUS, str(status.get("message", "")).encode())
            await self._socket.close()


class SpdyChannels:
    """Ready once the client has made all the streams that the request asks for."""

    def __init__(self, session: Session, protocol: str) -> None:
        self._session = session
        self._plain_status = protocol not in ("v4.channel.k8s.io", "v5.channel.k8s.io")
        self._streams: dict[int, Stream] = {}

    async def open(self, wanted: set[int]) -> None:
        """Raises TimeoutError, SpdyError."""
        async with asyncio.timeout(CREATION_SECONDS):
            async for stream in self._session.accept():
                kind = NAMES.get(stream.headers.get("streamtype", ""))
                if kind is None:
                    await stream.reset()
                    continue
                self._streams[kind] = stream
                if wanted <= self._streams.keys():
                    return
        raise SpdyError("the client left before its streams were made")

    async def received(self) -> AsyncIterator[tuple[int, bytes]]:
        """Of both incoming streams, as it comes."""
        merged: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(
            maxsize=1
        )  # what is not taken stays with the peer
        pumps = [asyncio.create_task(_pump(k, self._streams[k], merged)) for k in (STDIN, RESIZE) if k in self._streams]
        watch = asyncio.create_task(_tell_end(self._session, merged))
        try:
            while (item := await merged.get()) is not None:
                yield item
        finally:
            for task in (*pumps, watch):
                task.cancel()

    async def send(self, channel: int, data: bytes) -> None:
        stream = self._streams.get(channel)
        if stream is not None:
            with suppress(SpdyError):
                await stream.write(data)

    async def finish(self, status: Obj) -> None:
        failed = status.get("status") != "Success"
        with suppress(SpdyError, OSError):
            if STATUS in self._streams and (failed or not self._plain_status):
                text = str(status.get("message", "")) if self._plain_status else json.dumps(status)
                await self._streams[STATUS].write(text.encode())
            for stream in self._streams.values():
                await stream.close()
            await asyncio.wait_for(self._session.over.wait(), 1.0)
        await self._session.close()


async def _pump(kind: int, stream: Stream, into: asyncio.Queue[tuple[int, bytes] | None]) -> None:
    while data := await stream.read():
        await into.put((kind, data))
    if kind == STDIN:
        await into.put((STDIN, b""))


async def _tell_end(session: Session, into: asyncio.Queue[tuple[int, bytes] | None]) -> None:
    await session.over.wait()
    await into.put(None)
