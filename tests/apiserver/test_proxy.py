"""The proxy subresources over real connections: what those behind see, what comes back, and that nothing is left over."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apiserver.app import own_address
from pocketkube.base import serving
from tests.apiserver.server import WAIT_SECONDS, Client, eventually, pod
from tests.apiserver.test_kubelet import listening, talk
from tests.conftest import free_port

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = "application/strategic-merge-patch+json"
ADDRESS = own_address("0.0.0.0")

pytestmark = pytest.mark.skipif(ADDRESS.startswith("127."), reason="this machine has no address but loopback")


class Web:
    """A server in a pod: each path does something else; `open` counts the requests under way."""

    def __init__(self) -> None:
        self.port = free_port()
        self.seen: list[tuple[str, bytes, bytes, dict[bytes, bytes]]] = []
        self.bodies: list[bytes] = []
        self.open = 0
        self.came = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append((scope["method"], scope["raw_path"], scope["query_string"], dict(scope["headers"])))
        self.open += 1
        self.came.set()
        try:
            await self._answer(scope, receive, send)
        finally:
            self.open -= 1

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        last = scope["path"].rpartition("/")[2]
        if last == "endless":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            gone = asyncio.Event()
            scope["extensions"]["pocketkube.disconnect"](gone.set)
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await gone.wait()
            return
        if last == "silent":
            gone = asyncio.Event()
            scope["extensions"]["pocketkube.disconnect"](gone.set)
            await gone.wait()
            return
        if last == "cut":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            scope["extensions"]["pocketkube.cut_off"]()
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        page = [(b"content-type", b"text/html; charset=utf-8"), (b"content-encoding", b"gzip")]
        answers: dict[str, tuple[int, list[tuple[bytes, bytes]], bytes]] = {
            "bad": (502, [(b"content-type", b"text/plain")], b"raw"),
            "busy": (503, [(b"retry-after", b"3")], b"later"),
            "moved": (302, [(b"location", b"/there?x=y")], b""),
            "zipped": (200, page, gzip.compress(b'<a href="/x">')),
            "cors": (200, [(b"access-control-allow-origin", b"*"), (b"set-cookie", b"a=b"), (b"x-own", b"1")], b"ok"),
        }  # fmt: skip
        status, headers, data = answers.get(last, (200, [(b"content-type", b"text/plain")], b"body " + body))
        headers = [*headers, (b"content-length", b"%d" % len(data))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})


@asynccontextmanager
async def serve(web: Web) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    served = serving.serve(web, host="0.0.0.0", port=web.port, stop=stop, on_ready=ready.set, shutdown_seconds=1)
    task = asyncio.create_task(served)
    await ready.wait()
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture
async def web(client: Client) -> AsyncIterator[Web]:
    """In pod p, at its port http."""
    made = Web()
    ports = [{"name": "http", "containerPort": made.port}]
    await client.ok("POST", PODS, pod(containers=[{"name": "c", "image": "busybox", "ports": ports}]))
    await client.ok("PATCH", f"{PODS}/p/status", {"status": {"podIP": ADDRESS, "phase": "Running"}}, media=STRATEGIC)
    async with serve(made):
        yield made


@pytest.mark.parametrize("name", ["p", "p:http", "http:p:http", ":p:http"])
async def test_names_of_pods(client: Client, web: Web, name: str) -> None:
    answer = await client("GET", f"{PODS}/{name}/proxy/a/b?c=d&c=e")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"body ", "5")
    assert web.seen[-1][:3] == ("GET", b"/a/b", b"c=d&c=e")
    seen = web.seen[-1][3]
    assert b"authorization" not in seen
    assert (seen[b"x-forwarded-for"], seen[b"x-forwarded-uri"]) == (b"127.0.0.1", f"{PODS}/{name}/proxy/a/b".encode())
    assert seen[b"host"] == f"{ADDRESS}:{web.port}".encode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_bodies_go_through(client: Client, web: Web, method: str) -> None:
    body = b"x" * 5_000_000  # larger than objects may be
    answer = await client(method, f"{PODS}/p/proxy/", body, media="application/octet-stream", cookie="a=b")
    assert (answer.status, len(answer.body)) == (200, len(body) + 5)
    assert web.seen[-1][3][b"cookie"] == b"a=b"


async def test_head_and_options(client: Client, web: Web) -> None:
    answer = await client("HEAD", f"{PODS}/p/proxy/a")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "5")
    assert (await client("OPTIONS", f"{PODS}/p/proxy/a")).status == 200


@pytest.mark.parametrize(
    ("path", "status", "body", "headers"),
    [
        pytest.param("/bad", 502, b"raw", {"content-type": "text/plain"}, id="502 as it came"),
        pytest.param("/busy", 503, b"later", {"retry-after": "3"}, id="503 as it came"),
        pytest.param("/moved", 302, b"", {"location": f"{PODS}/p/proxy/there?x=y"}, id="redirect"),
        pytest.param("", 301, b"", {"location": f"{PODS}/p/proxy/?q=1"}, id="no path"),
        pytest.param("/cors", 200, b"ok", {"set-cookie": "a=b", "x-own": "1"}, id="cookies stay"),
    ],
)
async def test_answers(client: Client, web: Web, path: str, status: int, body: bytes, headers: dict[str, str]) -> None:
    answer = await client("GET", f"{PODS}/p/proxy{path}" + ("" if path else "?q=1"))
    assert (answer.status, answer.body) == (status, body)
    assert headers.items() <= answer.headers.items()
    assert "access-control-allow-origin" not in answer.headers


async def test_a_packed_page(client: Client, web: Web) -> None:
    answer = await client("GET", f"{PODS}/p/proxy/zipped")
    assert gzip.decompress(answer.body) == f'<a href="{PODS}/p/proxy/x">'.encode()
    assert (answer.headers["content-length"], answer.headers["content-encoding"]) == (str(len(answer.body)), "gzip")


async def test_escapes_are_for_those_behind(client: Client, web: Web) -> None:
    async with listening(client) as port:
        await talk(port, f"{PODS}/p/proxy/a%2Fb%20c/?x=%26", "Connection: close")
    assert web.seen[-1][1:3] == (b"/a%2Fb%20c/", b"x=%26")


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0"])
async def test_nobody_reaches_this_machine_itself(client: Client, web: Web, address: str) -> None:
    await client.ok("PATCH", f"{PODS}/p/status", {"status": {"podIP": address}}, media=STRATEGIC)
    answer = await client("GET", f"{PODS}/p/proxy/")
    assert (answer.status, answer.message) == (400, "address not allowed")


async def test_nobody_there(client: Client, web: Web) -> None:
    answer = await client("GET", f"{PODS}/p:{free_port()}/proxy/")
    assert (answer.status, answer.json()["reason"]) == (503, "ServiceUnavailable")
    assert answer.message.startswith("error trying to reach service: dial tcp")


async def test_services_lead_to_any_of_their_ready_endpoints(client: Client, web: Web) -> None:
    other = Web()
    ports = [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "empty", "port": 81}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}
    await client.ok("POST", "/api/v1/namespaces/default/services", service)
    for at, (port, ready) in enumerate(((web.port, True), (other.port, True), (1, False))):
        found = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"s-{at}", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": ready}}],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }
        await client.ok("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", found)
    async with serve(other):
        for name in ("s:http", "s:80", "http:s:http") * 10:
            assert (await client("GET", f"/api/v1/namespaces/default/services/{name}/proxy/")).status == 200
    assert web.seen and other.seen
    for name, why in (("s:empty", "no endpoints available"), ("s:82", "no service port 82 found"), ("s", "no service")):
        answer = await client("GET", f"/api/v1/namespaces/default/services/{name}/proxy/")
        assert answer.status == 503 and why in answer.message


async def test_a_cut_answer_is_cut(client: Client, web: Web) -> None:
    async with listening(client) as port:
        answer = await talk(port, f"{PODS}/p/proxy/cut")
    assert answer.endswith(b"half") and b"content-length: 100" in answer.lower()


@pytest.mark.parametrize("path", ["endless", "silent"])
async def test_a_client_that_leaves_ends_it_behind(client: Client, web: Web, path: str) -> None:
    async with listening(client) as port:
        tasks = len(asyncio.all_tasks())
        for _ in range(5):
            web.came.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"GET {PODS}/p/proxy/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n".encode()
            )
            async with asyncio.timeout(WAIT_SECONDS):
                if path == "endless":
                    await reader.readuntil(b"begun")
                await web.came.wait()
            writer.transport.abort()

        async def over() -> bool:
            return web.open == 0 and len(asyncio.all_tasks()) <= tasks

        await eventually(over)


async def test_an_upload_that_breaks_off_is_no_upload(client: Client, web: Web) -> None:
    async with listening(client) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {PODS}/p/proxy/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode() + b"4\r\nhalf\r\n")

        async def arrived() -> bool:
            return web.open == 1

        await eventually(arrived)
        writer.transport.abort()

        async def over() -> bool:
            return web.open == 0

        await eventually(over)
    assert web.bodies == []


async def test_connections_are_kept_and_given_back(client: Client, web: Web) -> None:
    backends = client.server.backends
    for _ in range(5):
        await client("GET", f"{PODS}/p/proxy/a")
    assert sum(len(waiting) for waiting in backends._idle.values()) == 1
    await asyncio.gather(*(client("GET", f"{PODS}/p/proxy/a") for _ in range(20)))
    assert sum(len(waiting) for waiting in backends._idle.values()) <= 8


async def test_websockets_go_through_the_proxy(client: Client, web: Web) -> None:
    received: list[bytes] = []

    async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        writer.write((await reader.readexactly(3)).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(behind, "0.0.0.0", 0)
    async with server, listening(client) as port:
        path = f"{PODS}/p:{server.sockets[0].getsockname()[1]}/proxy/ws?a=b"
        protocols = "Sec-WebSocket-Protocol: chat, base64url.bearer.authorization.k8s.io.c2VjcmV0"
        answer = await talk(
            port, path, "Connection: Upgrade", "Upgrade: websocket", protocols, send=b"abc", until=b"ABC"
        )
    assert b" 101 " in answer
    head = received[0].decode()
    assert head.startswith("GET /ws?a=b HTTP/1.1")
    assert "sec-websocket-protocol: chat\r\n" in head.lower() and "c2VjcmV0" not in head
