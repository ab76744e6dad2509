"""The transport under httpx, against servers that answer byte by byte, late, wrongly or not at all; and over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pocketkube.client.config import ClientConfig
from pocketkube.client.resources import PODS
from pocketkube.client.rest import Client
from pocketkube.client.transport import Transport
from tests import certificates

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port on which `handler` gets every connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*pieces: bytes, close: bool = False) -> Handler:
    """Answers every request of a connection by `pieces`, each written alone."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                return

    return handler


async def get(port: int, *, method: str = "GET", seconds: float = 5.0) -> httpx.Response:
    async with httpx.AsyncClient(transport=Transport(), timeout=seconds) as client:
        return await client.request(method, f"http://127.0.0.1:{port}/x")


@pytest.mark.parametrize(
    ("pieces", "close", "body"),
    [
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], False, b"hello", id="at-once"),
        pytest.param([*b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], False, b"hello", id="byte-by-byte"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nhel\r\n", b"2\r\nlo\r\n", b"0\r\n\r\n"],
            False,
            b"hello",
            id="chunked",
        ),
        pytest.param([b"HTTP/1.1 200 OK\r\n\r\nhello"], True, b"hello", id="until-close"),
        pytest.param([b"HTTP/1.1 204 No Content\r\n\r\n"], False, b"", id="empty"),
        pytest.param(
            [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
            False,
            b"ok",
            id="interim",
        ),
    ],
)
async def test_answers(pieces: list[bytes | int], close: bool, body: bytes) -> None:
    written = [p if isinstance(p, bytes) else bytes([p]) for p in pieces]
    async with serving(answering(*written, close=close)) as port:
        response = await get(port)
        assert response.content == body


async def test_head_has_no_body() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as port:
        assert (await get(port, method="HEAD")).headers["content-length"] == "5"


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        pytest.param([b"nonsense\r\n\r\n"], httpx.RemoteProtocolError, id="nonsense"),
        pytest.param([b""], httpx.RemoteProtocolError, id="closed"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"], httpx.RemoteProtocolError, id="cut-off"),
        pytest.param([b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"], httpx.HTTPError, id="upgrade"),
    ],
)
async def test_broken_answers(pieces: list[bytes], error: type[Exception]) -> None:
    async with serving(answering(*pieces, close=True)) as port:
        with pytest.raises(error):
            await get(port)


async def test_no_answer_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with serving(silent) as port:
        with pytest.raises(httpx.ReadTimeout):
            await get(port, seconds=0.05)


async def test_connections_are_kept_and_limited() -> None:
    opened = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(reader, writer)

    async with serving(handler) as port:
        async with httpx.AsyncClient(transport=Transport(limit=3)) as client:
            for _ in range(4):
                await asyncio.gather(*[client.get(f"http://127.0.0.1:{port}/") for _ in range(10)])
        assert opened == 3


async def test_a_connection_that_must_close_is_not_reused() -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with serving(answering(answer, close=True)) as port, httpx.AsyncClient(transport=Transport()) as client:
        for _ in range(3):
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"


async def test_a_post_is_never_sent_twice() -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n"))[:4])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        seen.append((await reader.readuntil(b"\r\n\r\n"))[:4])  # then it dies without an answer

    async with serving(handler) as port, httpx.AsyncClient(transport=Transport()) as client:
        await client.get(f"http://127.0.0.1:{port}/")
        with pytest.raises(httpx.HTTPError):
            await client.post(f"http://127.0.0.1:{port}/")
        assert seen == [b"GET ", b"POST"]


async def test_a_slow_reader_slows_the_server_down() -> None:
    """The server cannot push a body of 64 MiB into a client that reads nothing of it."""
    sent = 0
    blocked = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            writer.write(b"x" * (1 << 20))
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(writer.drain())), 0.3)
            except TimeoutError:
                blocked.set()
                await writer.drain()
            sent += 1 << 20

    async with serving(handler) as port:
        transport = Transport()
        request = httpx.Request("GET", f"http://127.0.0.1:{port}/", extensions={"stream": True})
        response = await transport.handle_async_request(request)
        await asyncio.wait_for(blocked.wait(), 10)
        assert sent < 32 << 20
        total = 0
        async for piece in response.aiter_raw():
            total += len(piece)
        assert total == 64 << 20
        await transport.aclose()


async def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    pki = certificates.make(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki.server, pki.server_key)
    tls.load_verify_locations(pki.ca)
    tls.verify_mode = ssl.CERT_REQUIRED
    async with serving(answering(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"items":1}'), tls) as port:
        trusting = ClientConfig(
            server=f"https://127.0.0.1:{port}",
            ca_file=str(pki.ca),
            cert_data=pki.client.read_bytes(),
            key_data=pki.client_key.read_bytes(),
        )
        client = Client(trusting)
        assert await client.list(PODS) == {"items": 1}
        await client.aclose()
        for wrong in (
            ClientConfig(server=trusting.server, cert_data=trusting.cert_data, key_data=trusting.key_data),
            ClientConfig(server=trusting.server, ca_file=trusting.ca_file),
        ):
            client = Client(wrong)
            with pytest.raises(httpx.HTTPError):
                await client.list(PODS)
            await client.aclose()
