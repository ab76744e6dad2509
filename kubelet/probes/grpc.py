"""gRPC health probe: one Check call over plain HTTP/2, written out here, for a call this small needs no library.

Only the body of the answer is read: it holds the serving status; an error answers without a body.
"""

from __future__ import annotations

import asyncio
import struct

from kubelet.probes.result import Result

DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
SERVING = 1
NAMES = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def _literal(name: str, value: str) -> bytes:
    """A header field without indexing, neither part compressed; each is shorter than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _request(authority: str, service: str) -> bytes:
    fields = {
        ":method": "POST", ":scheme": "http", ":path": "/grpc.health.v1.Health/Check", ":authority": authority,
        "content-type": "application/grpc", "user-agent": "kube-probe/1.37", "te": "trailers",
    }  # fmt: skip
    head = b"".join(_literal(name, value) for name, value in fields.items())
    name = service.encode()
    message = b"\x0a" + bytes([len(name)]) + name if name else b""
    body = b"\0" + struct.pack(">I", len(message)) + message
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0, b"")
    return start + _frame(HEADERS, END_HEADERS, 1, head) + _frame(DATA, END_STREAM, 1, body)


async def check(*, host: str, port: int, service: str, seconds: float) -> Result:
    if len(service.encode()) > 127 or len(host) > 100:
        return Result(False, "the service's name is too long")
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_request(f"{host}:{port}", service))
                status = await _answer(reader, writer)
            finally:
                writer.close()
    except TimeoutError:
        return Result(False, f'timeout: failed to connect service "{host}:{port}" within {seconds:g}s')
    except (OSError, EOFError, struct.error) as e:
        return Result(False, f'error: failed to connect service "{host}:{port}": {e}')
    if status == SERVING:
        return Result(True)
    return Result(False, f'service unhealthy (responded with "{NAMES.get(status, "UNKNOWN")}")')


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """The serving status, or -1 for an answer without one."""
    body = b""
    while True:
        head = await reader.readexactly(9)
        length, (kind, flags, stream) = int.from_bytes(head[:3], "big"), struct.unpack(">BBI", head[3:])
        content = await reader.readexactly(length)
        if kind == SETTINGS and not flags & ACK:
            writer.write(_frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            writer.write(_frame(PING, ACK, 0, content))
        elif kind == DATA and stream == 1:
            body += content
        if kind == GOAWAY or (stream == 1 and kind in (DATA, HEADERS) and flags & END_STREAM):
            return _status(body)


def _status(body: bytes) -> int:
    message = body[5:]
    if not body:
        return -1
    return message[1] if message[:1] == b"\x08" and len(message) > 1 else 0
