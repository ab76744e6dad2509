"""Streams to a container over WebSocket (`v5.channel.k8s.io`, or v4 where a server has no other): exec, attach, port-forward.

A binary message is one channel byte and data: 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size; v5 adds 255,
which closes a channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import sys
import termios
import tty as terminal
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

import orjson
from wsproto import ConnectionType, WSConnection
from wsproto import events as ws
from wsproto.utilities import LocalProtocolError

from kubectl.errors import CommandError
from kubectl.session import Session
from pocketkube.api.meta.errors import from_status
from pocketkube.client.credentials import Credentials

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK = 1 << 15


class Stream:
    """One WebSocket connection to the API server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: WSConnection):
        self._reader, self._writer, self._connection = reader, writer, connection
        self.protocol = ""

    async def send(self, data: bytes) -> None:
        self._writer.write(self._connection.send(ws.BytesMessage(data=data)))
        await self._writer.drain()

    async def messages(self) -> AsyncIterator[bytes]:
        """Whole messages until the server closes."""
        parts: list[bytes] = []
        while True:
            for event in self._connection.events():
                if isinstance(event, (ws.BytesMessage, ws.TextMessage)):
                    parts.append(event.data.encode() if isinstance(event, ws.TextMessage) else bytes(event.data))
                    if event.message_finished:
                        yield b"".join(parts)
                        parts = []
                elif isinstance(event, ws.Ping):
                    self._writer.write(self._connection.send(event.response()))
                elif isinstance(event, ws.CloseConnection):
                    with contextlib.suppress(LocalProtocolError, OSError):  # the answer to a close is a courtesy
                        self._writer.write(self._connection.send(event.response()))
                    return
            data = await self._reader.read(1 << 16)
            if not data:
                return
            self._connection.receive_data(data)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def open_stream(session: Session, path: str, params: Mapping[str, Any], protocols: list[str]) -> Stream:
    """Connect and agree on a protocol. Raises the server's Status if it refuses."""
    config = session.config
    url = urlsplit(config.server)
    credentials = Credentials(config)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    context = credentials.context() if url.scheme == "https" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host if context else None)
    headers = [(b"User-Agent", b"kubectl/v1.37.0 pocketkube")]
    if authorization := await credentials.authorization():
        headers.append((b"Authorization", authorization))
    connection = WSConnection(ConnectionType.CLIENT)
    query = urlencode([(k, str(v).lower() if isinstance(v, bool) else v) for k, v in _flat(params)])
    target = f"{url.path.rstrip('/')}{path}?{query}"
    request = ws.Request(host=url.netloc, target=target, subprotocols=protocols, extra_headers=headers)
    writer.write(connection.send(request))
    stream = Stream(reader, writer, connection)
    await _accepted(stream, reader, connection)
    return stream


def _flat(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, list):
            yield from ((key, item) for item in value)
        elif value not in (None, "", False):
            yield key, value


async def _accepted(stream: Stream, reader: asyncio.StreamReader, connection: WSConnection) -> None:
    body, code = b"", 0
    while True:
        data = await reader.read(1 << 16)
        connection.receive_data(data or None)
        for event in connection.events():
            if isinstance(event, ws.AcceptConnection):
                stream.protocol = event.subprotocol or ""
                return
            if isinstance(event, ws.RejectConnection):
                code = event.status_code
                if not event.has_body:
                    raise from_status({"message": f"the server answered {code}"}, code)
            elif isinstance(event, ws.RejectData):
                body += event.data
                if event.body_finished:
                    raise _refusal(body, code)
        if not data:
            raise _refusal(body, code)


def _refusal(body: bytes, code: int) -> Exception:
    try:
        return from_status(orjson.loads(body), code)
    except orjson.JSONDecodeError:
        return CommandError(
            f"unable to upgrade connection: {body.decode(errors='replace').strip() or f'status {code}'}"
        )


async def interactive(session: Session, path: str, params: Mapping[str, Any], *, stdin: bool, tty: bool) -> int:
    """Join this terminal to a container until it ends; the command's exit code."""
    stream = await open_stream(
        session, path, {**params, "stdin": stdin, "tty": tty}, ["v5.channel.k8s.io", "v4.channel.k8s.io"]
    )
    with _raw_terminal(enabled=tty and sys.stdin.isatty()):
        jobs = []
        if stdin:
            jobs.append(asyncio.create_task(_send_input(stream, sys.stdin.buffer), name="stdin"))
        if tty and sys.stdin.isatty():
            jobs.append(asyncio.create_task(_send_sizes(stream), name="terminal size"))
        try:
            return await receive(stream, sys.stdout.buffer, sys.stderr.buffer)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await stream.close()


async def receive(stream: Stream, out: BinaryIO, err: BinaryIO) -> int:
    """Write what comes to its file; the exit code from the final Status. Raises CommandError where there was no run."""
    code = 0
    async for message in stream.messages():
        channel, data = message[:1], message[1:]
        if channel == bytes([STDOUT]) or channel == bytes([STDERR]):
            target = out if channel == bytes([STDOUT]) else err
            target.write(data)
            target.flush()
        elif channel == bytes([STATUS]) and data:
            code = _exit_code(data)
    return code


def _exit_code(data: bytes) -> int:
    status = orjson.loads(data)
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            print(f"command terminated with exit code {cause['message']}", file=sys.stderr)
            return int(cause["message"])
    raise CommandError(status.get("message", "the command could not be run"))


async def _send_input(stream: Stream, source: BinaryIO) -> None:
    """Standard input, read by readiness where it can be (terminals, pipes), else at once."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    except (ValueError, OSError):  # a plain file is always ready
        while data := source.read(CHUNK):
            await stream.send(bytes([STDIN]) + data)
    else:
        while data := await reader.read(CHUNK):
            await stream.send(bytes([STDIN]) + data)
    if stream.protocol.startswith("v5"):
        await stream.send(bytes([CLOSE, STDIN]))


async def _send_sizes(stream: Stream) -> None:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    changed.set()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            await changed.wait()
            changed.clear()
            size = os.get_terminal_size()
            await stream.send(bytes([RESIZE]) + orjson.dumps({"Width": size.columns, "Height": size.lines}))
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


@contextlib.contextmanager
def _raw_terminal(*, enabled: bool) -> Iterator[None]:
    if not enabled:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    terminal.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


async def forward(
    session: Session, path: str, port: int, local: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Carry one local connection to a port of a pod: channel 0 is data, channel 1 errors; each begins with the port number."""
    reader, writer = local
    stream = await open_stream(session, path, {"ports": port}, ["v4.channel.k8s.io"])

    async def upstream() -> None:
        while data := await reader.read(CHUNK):
            await stream.send(b"\0" + data)

    sending = asyncio.create_task(upstream(), name="port-forward")
    greeted: set[int] = set()
    try:
        async for message in stream.messages():
            channel, data = message[0], message[1:]
            if channel not in greeted and len(data) == 2 and struct.unpack("<H", data)[0] == port:
                greeted.add(channel)
            elif channel == 0:
                writer.write(data)
                await writer.drain()
            elif data:
                raise CommandError(data.decode(errors="replace"))
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        await stream.close()
