"""Docker's streams over its Unix socket on the event loop: events, logs, and the hijacked connections of exec and attach."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlencode

from kubelet.runtime.interface import EngineDown, RuntimeFailure

CHUNK = 65536
Resize = Callable[[int, int], Awaitable[None]]
ExitCode = Callable[[], Awaitable[int]]


async def connect(
    socket_path: str,
    method: str,
    path: str,
    *,
    params: dict[str, str] | None = None,
    body: object = None,
    hijack: bool = False,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request and read the head of its answer; what follows is the stream.

    HTTP/1.0 makes the engine send a plain stream until it closes. Raises EngineDown, or RuntimeFailure with the engine's message.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path, limit=4 * 1024 * 1024)
    except OSError as e:
        raise EngineDown(f"cannot connect to the Docker daemon at unix://{socket_path}: {e}") from e
    try:
        writer.write(_head(method, path, params, body, hijack=hijack))
        status = await _read_head(reader)
        if status >= 300:
            raise RuntimeFailure(_message(await reader.read(CHUNK)) or f"engine answered {status} to {path}")
    except (OSError, asyncio.IncompleteReadError) as e:
        writer.close()
        raise EngineDown(f"the Docker daemon closed the connection: {e}") from e
    except BaseException:
        writer.close()
        raise
    return reader, writer


def _head(method: str, path: str, params: dict[str, str] | None, body: object, *, hijack: bool) -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    target = f"{path}?{urlencode(params)}" if params else path
    lines = [f"{method} {target} HTTP/1.{1 if hijack else 0}", "Host: docker"]
    if hijack:
        lines += ["Connection: Upgrade", "Upgrade: tcp"]
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def _read_head(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1])


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()


async def events(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, object]]:
    while line := await reader.readline():
        yield json.loads(line)


async def frames(reader: asyncio.StreamReader, *, tty: bool) -> AsyncIterator[tuple[int, bytes]]:
    """(1 for stdout or 2 for stderr, bytes). Docker multiplexes both on one connection unless there is a terminal."""
    if tty:
        while data := await reader.read(CHUNK):
            yield 1, data
        return
    while True:
        try:
            kind, size = struct.unpack(">BxxxI", await reader.readexactly(8))
            yield kind, await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return


class HijackedStreams:
    """The Streams of an exec or an attachment."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        tty: bool,
        resize: Resize,
        exit_code: ExitCode,
    ) -> None:
        self._frames = frames(reader, tty=tty)
        self._writer = writer
        self._resize = resize
        self._exit_code = exit_code

    async def read(self) -> tuple[int, bytes]:
        try:
            return await anext(self._frames)
        except StopAsyncIteration:
            return 0, b""

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close_stdin(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def resize(self, *, width: int, height: int) -> None:
        await self._resize(width, height)

    async def exit_code(self) -> int:
        return await self._exit_code()

    async def aclose(self) -> None:
        self._writer.close()
