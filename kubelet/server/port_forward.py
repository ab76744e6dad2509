"""port-forward: each connection of the client joined to a port inside the pod, over SPDY streams or WebSocket channels."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from kubelet.runtime.interface import RuntimeFailure
from kubelet.server.websocket import WebSocket
from pocketkube.base import tasks
from pocketkube.base.spdy import Session, SpdyError, Stream

log = logging.getLogger(__name__)

Connect = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

CHUNK = 65536
LINGER = 1.0  # seconds that a client may go on sending to a pod that has ended its side
SPDY_PROTOCOL = "portforward.k8s.io"
TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
WEBSOCKET_PROTOCOLS = (TUNNEL_PROTOCOL, "v4.channel.k8s.io", "portforward.k8s.io", "")


async def over_spdy(session: Session, connect: Connect) -> None:
    """Until the client leaves. A forwarded connection is a pair of streams, error and data, of one requestID."""
    running = asyncio.create_task(session.run(), name="port-forward session")
    waiting: dict[str, Stream] = {}
    joined: set[asyncio.Task[None]] = set()
    try:
        async for stream in session.accept():
            request = stream.headers.get("requestid") or str(stream.number - stream.number % 4)
            other = waiting.pop(request, None)
            if other is None:
                waiting[request] = stream
                continue
            error, data = (stream, other) if stream.headers.get("streamtype") == "error" else (other, stream)
            task = tasks.spawn("forwarded connection", _join(session, error, data, connect))
            joined.add(task)
            task.add_done_callback(joined.discard)
    finally:
        await tasks.cancel(running, *joined)
        await session.close()


async def _join(session: Session, error: Stream, data: Stream, connect: Connect) -> None:
    port = int(data.headers.get("port", "0"))
    try:
        reader, writer = await connect(port)
    except (OSError, RuntimeFailure) as e:
        with suppress(SpdyError):
            await error.write(f"error forwarding port {port} to pod: {e}".encode())
            await error.close()
            await data.close()
        return
    try:
        await _both_ways(data, reader, writer)
    except (OSError, SpdyError) as e:
        log.debug("forwarded connection to port %d lost: %s", port, e)
    finally:
        writer.close()
        with suppress(SpdyError):
            await error.close()
        session.forget(error)
        session.forget(data)


async def _both_ways(data: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the pod ends its side, and a moment longer: kubectl ends its own only when the whole connection has ended."""
    sending = asyncio.create_task(_to_pod(data, writer), name="to the pod")
    receiving = asyncio.create_task(_from_pod(reader, data), name="from the pod")
    try:
        done, _ = await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        if sending in done:
            sending.result()
            await receiving
        else:
            receiving.result()
            await asyncio.wait({sending}, timeout=LINGER)
    finally:
        await tasks.cancel(sending, receiving)


async def _to_pod(stream: Stream, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read():
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


async def _from_pod(reader: asyncio.StreamReader, stream: Stream) -> None:
    while data := await reader.read(CHUNK):
        await stream.write(data)
    await stream.close()


async def over_channels(socket: WebSocket, ports: list[int], connect: Connect) -> None:
    """The older form: channels 2n and 2n+1 are data and error of the nth port; each begins with its port, little-endian."""
    writers: dict[int, asyncio.StreamWriter] = {}
    readers: set[asyncio.Task[None]] = set()
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await socket.send(bytes([channel]) + struct.pack("<H", port))
        try:
            reader, writers[2 * index] = await connect(port)
        except (OSError, RuntimeFailure) as e:
            await socket.send(bytes([2 * index + 1]) + f"error forwarding port {port} to pod: {e}".encode())
            continue
        readers.add(tasks.spawn("forwarded port", _pump(reader, socket, 2 * index)))
    taking = asyncio.create_task(_take(socket, writers), name="forwarded ports")
    ended = asyncio.create_task(_ended(readers), name="end of forwarded ports")
    try:
        await asyncio.wait({taking, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.cancel(taking, ended, *readers)
        for writer in writers.values():
            writer.close()
        await socket.close()


async def _ended(readers: set[asyncio.Task[None]]) -> None:
    """All that the client asked for: it has read the errors of the others."""
    if readers:
        await asyncio.wait(readers)


async def _take(socket: WebSocket, writers: Mapping[int, asyncio.StreamWriter]) -> None:
    try:
        async for message in socket.messages():
            writer = writers.get(message[0]) if message else None
            if writer is not None:
                writer.write(message[1:])
                await writer.drain()
    except OSError as e:
        log.debug("forwarded port lost: %s", e)


async def _pump(reader: asyncio.StreamReader, socket: WebSocket, channel: int) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            await socket.send(bytes([channel]) + data)
