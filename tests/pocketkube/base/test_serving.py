"""HTTP over real sockets: bodies, streams, certificates, upgrades, vanished clients, and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import ANY

import pytest
from cryptography import x509

from pocketkube.base import exchange, tls
from pocketkube.base import serving as serving_module
from pocketkube.base.protocol import MAX_HEAD, MAX_HEADERS
from pocketkube.base.serving import serve
from pocketkube.base.tasks import cancel
from tests.certificates import Pki
from tests.conftest import free_port

App = Callable[..., Any]


class Server:
    def __init__(self, port: int, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.port = port
        self.stop = stop
        self.task = task
        self.opened: list[asyncio.StreamWriter] = []

    async def connect(
        self, context: ssl.SSLContext | None = None, *, limit: int = 1 << 24
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, limit=limit)
        self.opened.append(writer)
        return reader, writer

    async def hang_up(self) -> None:
        for writer in self.opened:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(app: App, context: ssl.SSLContext | None = None, *, seconds: float = 5) -> AsyncIterator[Server]:
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    coro = serve(app, host="127.0.0.1", port=port, tls=context, stop=stop, on_ready=ready.set, shutdown_seconds=seconds)
    task = asyncio.create_task(coro)
    server = Server(port, stop, task)
    try:
        async with asyncio.timeout(20):
            await ready.wait()
            yield server
            stop.set()
            await task
    finally:
        await server.hang_up()
        await cancel(task)


def request(path: str = "/", method: str = "GET", body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:] if line)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    status, headers = await head(reader)
    if headers.get("transfer-encoding") != "chunked":
        return status, headers, await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, headers, body


async def respond(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def read(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message["body"]
        if not message["more_body"]:
            return body


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = await read(receive)
    line = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode()
    await respond(send, line + body)


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
async def test_bodies(size: int) -> None:
    async with serving(echo) as server:
        reader, writer = await server.connect()
        for _ in range(2):  # on one connection
            writer.write(request("/a%20b?c=d", "POST", b"x" * size))
            status, headers, body = await answer(reader)
            assert (status, body[:15], len(body)) == (200, b"POST /a b?c=d x"[: 14 + bool(size)], 14 + size)
            assert "date" in headers and "connection" not in headers
        writer.close()


async def test_a_response_at_once() -> None:
    kinds = {"/json": b"application/json", "/text": b"text/plain", "/bad": b"text/plain\r\nx-more: 1"}
    said: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", kinds[scope["path"]]), (b"audit-id", b"%d" % len(said))]
        said.append(scope["extensions"]["pocketkube.respond"](201, headers, b"body"))
        if not said[-1]:
            await respond(send, b"sent")

    async with serving(app) as server:
        reader, writer = await server.connect()
        for path in ("/json", "/text", "/json", "/bad"):
            writer.write(request(path))
        for path in ("/json", "/text", "/json"):
            status, headers, body = await answer(reader)
            assert (status, headers["content-type"], body) == (201, kinds[path].decode(), b"body")
        assert await answer(reader) == (200, ANY, b"sent")
        assert said == [True, True, True, False]
        assert (b"content-type", b"application/json") in exchange._known
        assert not any(name == b"audit-id" for name, _ in exchange._known), "no other answer has it"
        writer.close()
        last = await server.connect()
        last[1].write(request("/json", "GET", b"", "Connection: close"))
        assert (await answer(last[0]))[1]["connection"] == "close"
        assert await last[0].read() == b""


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(echo) as server:
        reader, writer = await server.connect()
        writer.write(b"".join(request(f"/{number}") for number in range(20)))
        bodies = [(await answer(reader))[2] for _ in range(20)]
        assert bodies == [f"GET /{number}? ".encode() for number in range(20)]
        writer.close()


async def test_a_large_answer_waits_for_a_slow_client() -> None:
    waiting = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asyncio.get_running_loop().call_later(0.2, waiting.set)
        await respond(send, b"x" * ((100 << 20) + 1))
        assert waiting.is_set()

    async with serving(app) as server:
        reader, writer = await server.connect(limit=1 << 16)
        writer.write(request())
        await waiting.wait()
        _, headers = await head(reader)
        assert len(await reader.readexactly(int(headers["content-length"]))) == (100 << 20) + 1
        writer.close()


async def test_a_stream_sends_its_head_at_once() -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go.wait()
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async with serving(app) as server:
        reader, writer = await server.connect()
        writer.write(request())
        status, headers = await head(reader)
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        go.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        writer.close()


async def test_head_has_no_body() -> None:
    async with serving(echo) as server:
        reader, writer = await server.connect()
        writer.write(request("/", "HEAD") + request("/next"))
        status, headers = await head(reader)
        assert (status, headers["content-length"]) == (200, "8")
        assert (await answer(reader))[2] == b"GET /next? "
        writer.close()


async def test_expect_continue() -> None:
    async with serving(echo) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert (await answer(reader))[2] == b"POST /? ok"
        writer.close()


@pytest.mark.parametrize("notice", ["receive", "callback"])
async def test_a_handler_learns_that_its_client_left(notice: str) -> None:
    gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if notice == "callback":
            scope["extensions"]["pocketkube.disconnect"](gone.set)
            await gone.wait()
        else:
            assert await receive() == {"type": "http.disconnect"}
            gone.set()

    async with serving(app) as server:
        reader, writer = await server.connect()
        writer.write(request())
        await head(reader)
        writer.close()
        await gone.wait()


@pytest.mark.parametrize("leaves", ["after its answer", "before its answer", "after an upgrade"])
async def test_a_lost_connection_goes_at_once(leaves: str, pki: Pki) -> None:
    """With its buffers, and without waiting for a collection of garbage."""
    asked, lost = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        weakref.finalize(scope["extensions"]["pocketkube.respond"].__self__, lost.set)
        asked.set()
        if leaves == "before its answer":
            while (await receive())["type"] != "http.disconnect":
                pass
        elif leaves == "after an upgrade":
            reader, writer = await scope["extensions"]["pocketkube.upgrade"](
                b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
            )
            await reader.read()
            writer.close()
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"here"})

    gc.collect()
    gc.disable()
    try:
        async with serving(app, tls.server_context(pki.server, pki.server_key)) as server:
            reader, writer = await server.connect(tls.client_context(pki.ca))
            headers = ["Connection: Upgrade", "Upgrade: x"] if leaves == "after an upgrade" else []
            writer.write(request("/", "GET", b"", *headers))
            async with asyncio.timeout(10):
                await asked.wait()
                if leaves != "before its answer":
                    await reader.readuntil(b"\r\n\r\n")
                writer.transport.abort()
                await lost.wait()
    finally:
        gc.enable()


async def test_a_failure_is_an_internal_error_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("secret")

    async with serving(app) as server:
        reader, writer = await server.connect()
        writer.write(request())
        status, headers, body = await answer(reader)
        assert (status, headers["connection"]) == (500, "close")
        assert b'"code":500' in body and b"secret" not in body
        writer.close()
    assert "secret" in caplog.text


@pytest.mark.parametrize("value", [pytest.param(b"a\r\nb: c", id="line break"), pytest.param(b"a\nb", id="line feed")])
async def test_a_header_cannot_smuggle_another(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"", 200, (b"x", value))

    async with serving(app) as server:
        reader, writer = await server.connect()
        writer.write(request())
        assert (await answer(reader))[0] == 500
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"NONSENSE\r\n\r\n", 400, id="not HTTP"),
        pytest.param(b"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="no percent code"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * (MAX_HEAD + 1) + b"\r\n\r\n", 400, id="a huge header"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * MAX_HEADERS + b"\r\n", 400, id="many headers"),
    ],
)
async def test_a_bad_request_ends_the_connection(sent: bytes, status: int) -> None:
    async with serving(echo) as server:
        reader, writer = await server.connect()
        writer.write(sent)
        assert (await head(reader))[0] == status
        writer.close()


@pytest.mark.parametrize("certificate", [True, False])
async def test_the_client_certificate(pki: Pki, certificate: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, scope["extensions"]["pocketkube.tls"]["peer_certificate"] or b"none")

    shown = (pki.client, pki.client_key) if certificate else (None, None)
    async with serving(app, tls.server_context(pki.server, pki.server_key, pki.ca)) as server:
        reader, writer = await server.connect(tls.client_context(pki.ca, *shown))
        writer.write(request())
        _, _, body = await answer(reader)
        writer.close()
    assert (
        body == b"none"
        if not certificate
        else x509.load_der_x509_certificate(body).subject.rfc4514_string() == "CN=client"
    )


async def test_a_certificate_of_another_authority_ends_the_handshake(pki: Pki) -> None:
    async with serving(echo, tls.server_context(pki.server, pki.server_key, pki.ca)) as server:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            reader, writer = await server.connect(tls.client_context(pki.ca, pki.stranger, pki.stranger_key))
            writer.write(request())
            await head(reader)


UPGRADE = ("Connection: Upgrade", "Upgrade: SPDY/3.1")


@pytest.mark.parametrize("encrypted", [True, False])
async def test_an_upgrade_gives_the_connection_away(pki: Pki, encrypted: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        hijack = scope["extensions"]["pocketkube.upgrade"]
        reader, writer = await hijack(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n")
        while data := await reader.read(1 << 16):
            writer.write(data.upper())
            await writer.drain()
        writer.close()

    context = tls.server_context(pki.server, pki.server_key) if encrypted else None
    async with serving(app, context) as server:
        reader, writer = await server.connect(tls.client_context(pki.ca) if encrypted else None)
        writer.write(request("/exec", "POST", b"", *UPGRADE) + b"early ")
        assert (await head(reader))[0] == 101
        writer.write(b"late" + b"x" * 1_000_000)
        assert await reader.readexactly(1_000_010) == b"EARLY LATE" + b"X" * 1_000_000
        writer.close()
        await writer.wait_closed()


async def test_an_upgrade_can_be_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"no", 403)

    async with serving(app) as server:
        reader, writer = await server.connect()
        writer.write(request("/exec", "GET", b"", *UPGRADE))
        status, headers, body = await answer(reader)
        assert (status, headers["connection"], body) == (403, "close", b"no")
        assert await reader.read() == b""
        writer.close()


async def test_stopping_ends_streams_and_lets_requests_finish() -> None:
    began = asyncio.Semaphore(0)
    finish = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read(receive)
        if scope["path"] == "/watch":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            began.release()
            assert (await receive())["type"] == "http.disconnect"
            finish.set()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            began.release()
            await finish.wait()
            await respond(send, b"done")

    async with serving(app) as server:
        idle, _ = await server.connect()
        pairs = [await server.connect(), await server.connect()]
        for (_, writer), path in zip(pairs, ("/watch", "/slow"), strict=True):
            writer.write(request(path))
            await began.acquire()
        server.stop.set()
        assert (await answer(pairs[0][0]))[2] == b""
        assert (await answer(pairs[1][0]))[2] == b"done"
        assert await idle.read() == b""


async def test_stopping_cancels_what_does_not_end() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(app, seconds=0.05) as server:
        _, writer = await server.connect()
        writer.write(request())
        await began.wait()
        server.stop.set()
        await ended.wait()
        writer.close()


async def test_idle_and_stalled_connections_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_module, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(serving_module, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(serving_module, "STALL_SECONDS", 0.05)
    cut_off = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"x" * (200 << 20))
        cut_off.set()

    async with serving(app) as server:
        idle, _ = await server.connect()
        _, stalled = await server.connect(limit=1 << 16)
        stalled.write(request())
        assert await idle.read() == b""
        await cut_off.wait()
