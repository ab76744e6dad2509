"""Upgraded connections: the client's and a backend's become one pipe, whatever is spoken in it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import NamedTuple

from apiserver.backends import BackendError, Headers, Target, connect
from apiserver.request import Request
from pocketkube.api.meta import errors
from pocketkube.base import tasks

log = logging.getLogger(__name__)

HEAD_SECONDS = 30.0
FLUSH_SECONDS = 5.0
_MOST_REFUSED = 1 << 16  # bytes of a refusal's body
_CHUNK = 1 << 16
_FAILURES = (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ssl.SSLError)


class Refusal(NamedTuple):
    """An answer that is no upgrade; names in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes:
        return next((v for n, v in self.headers if n == name), b"")


def is_upgrade(request: Request) -> bool:
    return "pocketkube.upgrade" in request.scope.get("extensions", {})


def is_websocket(request: Request) -> bool:
    return (
        request.header(b"upgrade").lower() == b"websocket"
        and bool(request.header(b"sec-websocket-key"))
        and is_upgrade(request)
    )


async def tunnel(request: Request, target: Target, path: str, *, headers: Headers) -> Refusal | None:
    """Pass an upgrade request on and become a pipe. None when the pipe has ended; the answer where it was refused.

    Raises BackendError, BadRequest for what is no upgrade request."""
    hijack = request.scope.get("extensions", {}).get("pocketkube.upgrade")
    if hijack is None:
        raise errors.BadRequest("Upgrade request required")
    reader, writer = await connect(target)
    try:
        head = await _greet(reader, writer, request.method, path=path, headers=headers, target=target)
        status, found = _parse(head)
        if status != 101:
            return Refusal(status, found, await _refused(reader, found))
        theirs, ours = await hijack(head)
        try:
            if await _pipe(theirs, ours, reader, writer):
                await _flush(writer)
                ours.transport.abort()
        finally:
            ours.close()
        return None
    finally:
        writer.transport.abort()  # a farewell would wait for one who may not be reading any more


async def _flush(writer: asyncio.StreamWriter) -> None:
    """What the client sent last goes out, if the backend takes it soon."""
    if writer.transport.is_closing() or not writer.transport.get_write_buffer_size():
        return
    writer.transport.set_write_buffer_limits(high=0)
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await writer.drain()
    except (TimeoutError, OSError):
        log.debug("the end of a tunnel was lost")


async def _greet(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    *,
    path: str,
    headers: Headers,
    target: Target,
) -> bytes:
    """Send the request's head and give that of the answer."""
    lines = [f"{method} {path} HTTP/1.1\r\nHost: {target.authority}\r\n".encode("latin-1")]
    lines += [b"%b: %b\r\n" % header for header in headers]
    writer.write(b"".join((*lines, b"\r\n")))
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except _FAILURES as failure:
        why = "EOF" if isinstance(failure, asyncio.IncompleteReadError) else str(failure) or "timed out"
        raise BackendError(why) from None


def _parse(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) < 2 or not words[1].isdigit():
        raise BackendError("malformed HTTP response")
    pairs = (line.partition(b":") for line in lines if b":" in line)
    return int(words[1]), [(name.strip().lower(), value.strip()) for name, _, value in pairs]


async def _refused(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    """The body of an answer that is no upgrade, as far as it comes soon."""
    length = next((value for name, value in headers if name == b"content-length"), b"")
    body = bytearray()
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            wanted = min(int(length), _MOST_REFUSED) if length.isdigit() else _MOST_REFUSED
            while len(body) < wanted and (data := await reader.read(wanted - len(body))):
                body += data
    except _FAILURES:
        log.debug("a refusal was cut off")
    if any(name == b"transfer-encoding" for name, _ in headers):
        return _unchunked(bytes(body))
    return bytes(body)


def _unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            break
        found, body = found + rest[:length], rest[length + 2 :]
    return found


async def _pipe(
    one_in: asyncio.StreamReader,
    one_out: asyncio.StreamWriter,
    two_in: asyncio.StreamReader,
    two_out: asyncio.StreamWriter,
) -> bool:
    """Copy both ways until either side has ended: what it sent before is on its way by then. True if the first has."""
    there = asyncio.create_task(_copy(one_in, two_out), name="tunnel to a backend")
    back = asyncio.create_task(_copy(two_in, one_out), name="tunnel from a backend")
    try:
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        return not back.done()
    finally:
        await tasks.cancel(there, back)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    except (OSError, ssl.SSLError):
        log.debug("a tunnel was cut")
