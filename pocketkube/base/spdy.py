"""SPDY/3.1 framing and sessions, as exec, attach and port-forward of Kubernetes speak it: streams over one connection.

Only what those use: SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY and data. Flow-control frames are taken and ignored, as their
peers do; back-pressure is the connection's own: a stream whose reader is slow holds the others up, once enough lies unread.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

VERSION = 0x8003
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
MAX_FRAME = 1 << 20  # bytes; frames are far smaller in practice
PROTOCOL_ERROR, INVALID_STREAM, CANCEL = 1, 2, 5
CHUNK = 32 * 1024
MOST_UNREAD = 1 << 20  # bytes of one stream, past which no more frames are read

_NAMES = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length
content-location content-md5 content-range content-type date etag expect expires from host if-match
if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma
proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade
user-agent vary via warning www-authenticate method get status
""".split()  # noqa: SIM905
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in (*_NAMES, *_MORE)) + _TAIL.encode()


class SpdyError(Exception):
    """The peer broke the protocol, or the session is over."""


class Reader(Protocol):
    async def readexactly(self, n: int, /) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...


class HeaderCodec:
    """Header blocks of one direction of a session: zlib with SPDY's dictionary, one stream for all blocks."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def encode(self, headers: Mapping[str, str]) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def decode(self, data: bytes) -> dict[str, str]:
        """Raises SpdyError for what is no header block."""
        try:
            block = self._inflate.decompress(data, MAX_FRAME)
            (count,) = struct.unpack_from(">I", block)
            words, at = [], 4
            for _ in range(2 * count):
                (length,) = struct.unpack_from(">I", block, at)
                words.append(block[at + 4 : at + 4 + length].decode())
                at += 4 + length
        except (zlib.error, struct.error, UnicodeDecodeError) as e:
            raise SpdyError(f"bad header block: {e}") from e
        return dict(zip(words[::2], words[1::2], strict=True))


class Stream:
    """One stream of a session. `headers` are those that opened it, names in lower case."""

    def __init__(self, session: Session, number: int, headers: Mapping[str, str]) -> None:
        self._session = session
        self.number = number
        self.headers = headers
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._unread = 0
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False
        self._closed = False

    async def read(self) -> bytes:
        """The next bytes; b"" at the end, and ever after."""
        if self._ended:
            return b""
        data = await self._received.get()
        self._ended = not data
        self._unread -= len(data)
        if self._unread <= MOST_UNREAD:
            self._room.set()
        return data

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            await self._session.send_data(self.number, data[at : at + CHUNK], 0)

    async def close(self) -> None:
        """We send no more."""
        if not self._closed:
            self._closed = True
            await self._session.send_data(self.number, b"", FIN)

    async def reset(self) -> None:
        self._closed = True
        self.feed(b"")
        self.abandon()
        await self._session.send_control(RST_STREAM, 0, struct.pack(">II", self.number, CANCEL))

    def feed(self, data: bytes) -> None:
        self._received.put_nowait(data)
        self._unread += len(data)
        if self._unread > MOST_UNREAD:
            self._room.clear()

    async def room(self) -> None:
        """Wait until so much has been read that more may come."""
        await self._room.wait()

    def abandon(self) -> None:
        """Nobody reads it any more: it must not hold anything up."""
        self._unread = -(1 << 62)
        self._room.set()


class Session:
    """Either end of a connection. `run` reads frames until it ends; new streams of the peer come out of `accept`."""

    def __init__(self, reader: Reader, writer: Writer, *, server: bool) -> None:
        self._reader, self._writer = reader, writer
        self._outgoing, self._incoming = HeaderCodec(), HeaderCodec()
        self._streams: dict[int, Stream] = {}
        self._accepted: asyncio.Queue[Stream | None] = asyncio.Queue()
        self._next = 2 if server else 1
        self._lock = asyncio.Lock()
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Returns when the connection ends, for whatever reason; every stream then ends too."""
        try:
            while await self._frame():
                pass
        except (asyncio.IncompleteReadError, OSError, SpdyError):
            pass
        finally:
            self._end()

    def _end(self) -> None:
        self.over.set()
        for stream in self._streams.values():
            stream.feed(b"")
            stream.abandon()
        self._accepted.put_nowait(None)

    async def accept(self) -> AsyncIterator[Stream]:
        while (stream := await self._accepted.get()) is not None:
            yield stream

    async def open(self, headers: Mapping[str, str], *, fin: bool = False) -> Stream:
        """A new stream from our side."""
        number = self._next
        self._next += 2
        stream = self._streams[number] = Stream(self, number, headers)
        async with self._lock:
            body = struct.pack(">IIBB", number, 0, 0, 0) + self._outgoing.encode(headers)
            self._send(SYN_STREAM, FIN if fin else 0, body)
            await self._writer.drain()
        return stream

    async def _frame(self) -> bool:
        head = await self._reader.readexactly(8)
        first, second = struct.unpack(">II", head)
        flags, length = second >> 24, second & 0xFFFFFF
        if length > MAX_FRAME:
            raise SpdyError(f"a frame of {length} bytes")
        body = await self._reader.readexactly(length)
        if not first >> 31:
            self._on_data(first, flags, body)
            if (stream := self._streams.get(first)) is not None:
                await stream.room()
            return True
        return await self._on_control(first & 0xFFFF, flags, body)

    def _on_data(self, number: int, flags: int, body: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        if body:
            stream.feed(body)
        if flags & FIN:
            stream.feed(b"")

    async def _on_control(self, kind: int, flags: int, body: bytes) -> bool:
        if kind == SYN_STREAM:
            await self._on_syn(flags, body)
        elif kind in (SYN_REPLY, HEADERS):
            self._incoming.decode(body[4:])  # keeps the shared compression state right
            if flags & FIN:
                self._on_data(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF, FIN, b"")
        elif kind == RST_STREAM:
            self._on_data(struct.unpack_from(">I", body)[0] & 0x7FFFFFFF, FIN, b"")
        elif kind == PING:
            (number,) = struct.unpack_from(">I", body)
            if number % 2 != self._next % 2:  # the peer's own, not the answer to one of ours
                await self.send_control(PING, 0, body[:4])
        return kind != GOAWAY

    async def _on_syn(self, flags: int, body: bytes) -> None:
        number = struct.unpack_from(">I", body)[0] & 0x7FFFFFFF
        headers = self._incoming.decode(body[10:])
        stream = self._streams[number] = Stream(self, number, headers)
        async with self._lock:
            self._send(SYN_REPLY, 0, struct.pack(">I", number) + self._outgoing.encode({}))
            await self._writer.drain()
        if flags & FIN:
            stream.feed(b"")
        self._accepted.put_nowait(stream)

    def forget(self, stream: Stream) -> None:
        """The stream is not used any more: keep nothing of it."""
        self._streams.pop(stream.number, None)
        stream.abandon()

    async def send_data(self, number: int, data: bytes, flags: int) -> None:
        if self.over.is_set():
            raise SpdyError("the session is over")
        self._writer.write(struct.pack(">II", number, flags << 24 | len(data)) + data)
        await self._writer.drain()

    async def send_control(self, kind: int, flags: int, body: bytes) -> None:
        async with self._lock:
            self._send(kind, flags, body)
            await self._writer.drain()

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._writer.write(struct.pack(">HHI", VERSION, kind, flags << 24 | len(body)) + body)

    async def close(self) -> None:
        self._end()
        self._writer.close()
