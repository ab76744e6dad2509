"""Clients that mean ill, or do not care: each is cut off or answered, the memory of the server stays bounded, and others are served."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from bench.connection import MERGE, Connection
from bench.processes import Processes
from tests.apiserver.fuzz.campaign import trusting
from tests.apiserver.robustness.processes import ApiServer
from tests.certificates import Pki
from tests.conftest import Etcd

MAPS = "/api/v1/namespaces/default/configmaps"
HEAD = (
    b"POST %b HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\nContent-Type: application/json\r\n"
    % MAPS.encode()
)
CONNECTIONS = int(os.environ.get("IDLE_CONNECTIONS", "500"))

pytestmark = pytest.mark.integration


@pytest.fixture
async def server(tmp_path: Path, etcd: Etcd, pki: Pki) -> AsyncIterator[ApiServer]:
    made = ApiServer(tmp_path, [etcd.endpoint], pki, more=["--request-timeout=2s"])
    await made.start()
    try:
        yield made
    finally:
        made.stop()
        assert "Traceback" not in made.log.read_text()


async def dial(server: ApiServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting())


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of what comes back."""
    async with asyncio.timeout(20):
        return int((await reader.readuntil(b"\r\n")).split()[1])


async def endless(server: ApiServer, head: bytes, piece: bytes, pieces: int) -> int:
    """Send a body until the server answers or hangs up."""
    reader, writer = await dial(server)
    writer.write(HEAD + head + b"\r\n\r\n")
    status = asyncio.create_task(answered(reader))
    with contextlib.suppress(OSError):
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
    found = await status
    writer.transport.abort()
    return found


async def huge_body(server: ApiServer) -> None:
    assert await endless(server, b"Content-Length: 104857600", b" " * (1 << 20), 100) == 413


async def huge_chunks(server: ApiServer) -> None:
    assert await endless(server, b"Transfer-Encoding: chunked", b"100000\r\n" + b" " * (1 << 20) + b"\r\n", 100) == 413


async def tiny_chunks(server: ApiServer) -> None:
    assert await endless(server, b"Transfer-Encoding: chunked", b"1\r\n \r\n" * 50_000, 80) in (413, 504)


async def gzip_bomb(server: ApiServer) -> None:
    packed = gzip.compress(b" " * (200 << 20))
    head = b"Content-Encoding: gzip\r\nContent-Length: %d" % len(packed)
    assert await endless(server, head, packed, 1) in (400, 415)


async def wrong_labels(server: ApiServer) -> None:
    labels = {f"{number}": "-" for number in range(150_000)}
    body = orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}})
    assert len(body) < 3 << 20
    assert await endless(server, b"Content-Length: %d" % len(body), body, 1) in (
        422,
        504,
    )  # the second on a machine that is busy


async def long_values(server: ApiServer) -> None:
    """Each another long value that is checked and remembered by nobody."""
    connection = await Connection(server.target).open()
    for number in range(60):
        labels = {"a": f"{number}" + "x" * 1_000_000}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}}
        assert (await connection.ask("POST", MAPS, orjson.dumps(body))).status == 422
    connection.close()


async def long_questions(server: ApiServer) -> None:
    """Without credentials, too: paths, queries and headers of 100 kB, none like another."""
    for number in range(100):
        for line, header in (
            (b"GET /api/v1/%d%b HTTP/1.1" % (number, b"x" * 100_000), b"A: b"),
            (b"GET %b?labelSelector=a+in+(%d,%b) HTTP/1.1" % (MAPS.encode(), number, b"x," * 50_000), b"A: b"),
            (b"GET %b HTTP/1.1" % MAPS.encode(), b"Accept: a/%d,%b" % (number, b"x/y," * 25_000)),
            (b"GET %b HTTP/1.1" % MAPS.encode(), b"Authorization: Bearer %d%b" % (number, b"x" * 100_000)),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting())
            writer.write(line + b"\r\nHost: a\r\n" + header + b"\r\n\r\n")
            assert 400 <= await answered(reader) < 500
            writer.transport.abort()


async def unfinished_heads(server: ApiServer) -> None:
    opened = [await dial(server) for _ in range(60)]
    for _, writer in opened:
        writer.write(HEAD + b"A: " + b"x" * 900_000)
        await writer.drain()
    assert await served(server)
    for _, writer in opened:
        writer.transport.abort()


async def slow_bodies(server: ApiServer) -> None:
    """More of them than there are seats for writers: the time of their requests is over before they are."""
    opened = [await dial(server) for _ in range(CONNECTIONS)]
    for _, writer in opened:
        writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
    assert {await answered(reader) for reader, _ in opened} <= {429, 504}
    assert await served(server, "POST")
    for _, writer in opened:
        writer.transport.abort()


async def idle_connections(server: ApiServer) -> None:
    opened = [await Connection(server.target).open() for _ in range(CONNECTIONS)]
    assert await served(server)
    for connection in opened:
        connection.close()


async def lists_that_nobody_reads(server: ApiServer) -> None:
    connection = await Connection(server.target).open()
    for number in range(20):
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"large-{number}"},
            "data": {"a": "x" * 1_000_000},
        }
        assert (await connection.ask("POST", MAPS, orjson.dumps(body))).status == 201
    unread = [Connection(server.target) for _ in range(40)]
    for each in unread:
        await each.open()
        await each.begin("GET", MAPS)
    assert await served(server)
    for each in unread:
        each.close()
    connection.close()


async def watch_that_nobody_reads(server: ApiServer) -> None:
    """It is ended once more waits for it than is kept for anyone; who reads goes on."""
    writer = await Connection(server.target).open()
    await writer.ask(
        "POST", MAPS, orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "watched"}})
    )
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
    reader, stalled = await asyncio.open_connection(sock=raw, ssl=trusting(), server_hostname="a", limit=1 << 16)
    stalled.write(HEAD.replace(b"POST", b"GET").replace(b" HTTP", b"?watch=1 HTTP") + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    for number in range(350):
        patch = orjson.dumps({"data": {"a": f"{number}" + "x" * 300_000}})
        assert (await writer.ask("PATCH", f"{MAPS}/watched", patch, media=MERGE)).status == 200
    size = 0
    async with asyncio.timeout(30):
        while piece := await reader.read(1 << 20):
            size += len(piece)
            if piece.endswith(b"0\r\n\r\n"):
                break
    assert size < 300_000 * 350, "what did not fit was not kept"
    stalled.transport.abort()
    writer.close()


async def served(server: ApiServer, method: str = "GET") -> bool:
    connection = await Connection(server.target).open()
    async with asyncio.timeout(10):
        body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"s-"}}' if method == "POST" else b""
        answer = await connection.ask(method, f"{MAPS}?limit=1", body)
    connection.close()
    return answer.status in (200, 201)


Deed = Callable[[ApiServer], Awaitable[None]]


@pytest.mark.parametrize(
    ("deed", "megabytes"),
    [
        pytest.param(huge_body, 20, id="body of 100 MB"),
        pytest.param(huge_chunks, 20, id="100 MB in chunks"),
        pytest.param(tiny_chunks, 20, id="a body byte by byte"),
        pytest.param(gzip_bomb, 20, id="gzip bomb"),
        pytest.param(wrong_labels, 250, id="150,000 wrong labels"),
        pytest.param(long_values, 60, id="long values"),
        pytest.param(long_questions, 60, id="long questions"),
        pytest.param(unfinished_heads, 200, id="unfinished heads"),
        pytest.param(slow_bodies, 100, id="slow bodies"),
        pytest.param(idle_connections, 100, id="idle connections"),
        pytest.param(lists_that_nobody_reads, 200, id="lists that nobody reads"),
        pytest.param(watch_that_nobody_reads, 200, id="watch that nobody reads"),
    ],
)
async def test_memory_stays_bounded(server: ApiServer, deed: Deed, megabytes: float) -> None:
    """`megabytes` that the server may hold at any moment beyond what it held before, the allocator's waste included."""
    assert await served(server) and await served(server, "POST")
    processes = Processes([server.pid])
    before = processes.resident()
    await deed(server)
    grown = peak(server.pid) - before
    print(f"{deed.__name__}: {grown:.0f} MiB at most, {processes.resident() - before:.0f} after it")
    assert grown < megabytes
    assert await served(server, "POST")


def peak(pid: int) -> float:
    """MiB resident at most, ever."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
