"""Each kind of probe against a real server on loopback."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kubelet.probes import grpc, http, tcp
from tests.conftest import free_port

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """The port of a server that handles each connection so; at the end every connection is closed."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the probe has gone
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await done.wait()
    finally:
        server.close()


def answering(*heads: str) -> Handler:
    """One answer a connection, in order, the last for ever."""
    left = list(heads)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = left.pop(0) if len(left) > 1 else left[0]
        writer.write(f"HTTP/1.1 {head}\r\n\r\nbody".encode())

    return handle


@pytest.mark.parametrize(
    ("heads", "ok", "doubtful", "output"),
    [
        pytest.param(["200 OK"], True, False, "body", id="200"),
        pytest.param(["399 Odd"], True, True, "Probe terminated redirects, Response body: body", id="399"),
        pytest.param(["400 Bad Request"], False, False, "HTTP probe failed with statuscode: 400", id="400"),
        pytest.param(["503 No"], False, False, "HTTP probe failed with statuscode: 503", id="503"),
        pytest.param(
            ["302 Found\r\nLocation: /there", "500 No"], False, False, "HTTP probe failed with statuscode: 500",
            id="redirect",
        ),
        pytest.param(["302 Found\r\nLocation: /there", "200 OK"], True, False, "body", id="redirect that is well"),
        pytest.param(
            ["302 Found\r\nLocation: http://elsewhere/"], True, True, "Probe terminated redirects", id="redirect away"
        ),
    ],
)  # fmt: skip
async def test_http(heads: list[str], ok: bool, doubtful: bool, output: str) -> None:
    """line 58: 200 to 399 passes."""
    async with serving(answering(*heads)) as port:
        result = await http.get({"path": "/healthz"}, host="127.0.0.1", port=port, seconds=2)
        assert (result.ok, result.doubtful) == (ok, doubtful) and result.output.startswith(output)


async def test_http_headers() -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with serving(handle) as port:
        headers = [{"name": "Host", "value": "other"}, {"name": "X-A", "value": "1"}]
        assert (await http.get({"path": "/x?y=1", "httpHeaders": headers}, host="127.0.0.1", port=port, seconds=2)).ok
        assert seen[0].startswith(b"GET /x?y=1 HTTP/1.1\r\n")
        assert b"Host: other\r\n" in seen[0] and b"X-A: 1\r\n" in seen[0] and b"User-Agent: kube-probe/" in seen[0]


async def test_nobody_listens() -> None:
    port = free_port()
    result = await http.get({"path": "/"}, host="127.0.0.1", port=port, seconds=2)
    assert result.output == f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert (await tcp.connect(host="127.0.0.1", port=port, seconds=2)).output.endswith("connection refused")


async def test_no_answer_in_time() -> None:
    """line 58: no answer in time fails."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with serving(silent) as port:
        result = await http.get({"path": "/"}, host="127.0.0.1", port=port, seconds=0.05)
        assert not result.ok and "deadline exceeded" in result.output


async def test_tcp() -> None:
    async with serving(answering("200 OK")) as port:
        assert (await tcp.connect(host="127.0.0.1", port=port, seconds=2)).ok


@pytest.mark.parametrize(
    ("message", "ok", "output"),
    [
        pytest.param(b"\x08\x01", True, "", id="serving"),
        pytest.param(b"\x08\x02", False, 'service unhealthy (responded with "NOT_SERVING")', id="not serving"),
        pytest.param(b"", False, 'service unhealthy (responded with "UNKNOWN")', id="unknown"),
    ],
)
async def test_grpc(message: bytes, ok: bool, output: str) -> None:
    def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
        return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        writer.write(frame(grpc.SETTINGS, 0, 0, b"") + frame(grpc.PING, 0, 0, b"12345678"))
        body = b"\0" + struct.pack(">I", len(message)) + message
        writer.write(frame(grpc.HEADERS, grpc.END_HEADERS, 1, b"\x88") + frame(grpc.DATA, 0, 1, body))
        writer.write(frame(grpc.HEADERS, grpc.END_HEADERS | grpc.END_STREAM, 1, b""))
        await writer.drain()
        await reader.read()
        writer.close()

    async with serving(handle) as port:
        result = await grpc.check(host="127.0.0.1", port=port, service="s", seconds=2)
        assert (result.ok, result.output) == (ok, output)
