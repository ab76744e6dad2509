"""log, exec and proxy against a kubelet and a pod that are sockets of this test; clients speak over real connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from apiserver.app import own_address
from pocketkube.base import serving, tls
from tests.apiserver.server import WAIT_SECONDS, Client, eventually, pod, running
from tests.certificates import Pki
from tests.conftest import free_port

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = "application/strategic-merge-patch+json"


class Peer:
    """A server that remembers request heads and answers what it was told to."""

    def __init__(self) -> None:
        self.answer = b""
        self.later = b""  # follows once `goes_on` is set
        self.goes_on = asyncio.Event()
        self.heads: list[str] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(self.answer)
        if self.later:
            await self.goes_on.wait()
            writer.write(self.later)
        if b" 101 " in self.answer:
            while data := await reader.read(1000):
                writer.write(data.upper())
        writer.close()


@asynccontextmanager
async def peer(pki: Pki | None = None) -> AsyncIterator[Peer]:
    made = Peer()
    context = tls.server_context(pki.server, pki.server_key, pki.ca) if pki else None
    server = await asyncio.start_server(made.handle, "0.0.0.0", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@asynccontextmanager
async def listening(client: Client) -> AsyncIterator[int]:
    """The server on a real port."""
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    served = serving.serve(client.server.app, host="127.0.0.1", port=port, stop=stop, on_ready=ready.set)
    task = asyncio.create_task(served)
    try:
        await ready.wait()
        yield port
    finally:
        stop.set()
        async with asyncio.timeout(WAIT_SECONDS):
            await task


@pytest.fixture
async def client(tmp_path: Path, pki: Pki) -> AsyncIterator[Client]:
    files = {"certificate": pki.client, "key": pki.client_key}
    flags: dict[str, Any] = {f"kubelet_client_{name}": str(path) for name, path in files.items()}
    async with running(tmp_path, kubelet_certificate_authority=str(pki.ca), **flags) as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        yield client


@pytest.fixture
async def kubelet(client: Client, pki: Pki) -> AsyncIterator[Peer]:
    """A kubelet of node n1, where pod p runs."""
    async with peer(pki) as made:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
        await client.ok("POST", "/api/v1/nodes", node)
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": made.port}},
        }
        await client.ok("PATCH", "/api/v1/nodes/n1/status", {"status": status}, media=STRATEGIC)
        await client.ok("POST", PODS, pod())
        target = {"kind": "Node", "name": "n1"}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": target}
        await client.ok("POST", f"{PODS}/p/binding", binding)
        yield made


async def talk(
    port: int,
    path: str,
    *headers: str,
    method: str = "GET",
    send: bytes = b"",
    until: bytes = b"",
    goes_on: asyncio.Event | None = None,
) -> bytes:
    """A raw request's answer: up to `until`, or to the end of the connection; with `goes_on`, set at `until`, all of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Authorization: Bearer admin-token", *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + send)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            answer = await reader.readuntil(until) if until else b""
            if goes_on is not None:
                goes_on.set()
            return answer if until and goes_on is None else answer + await reader.read()
    finally:
        writer.close()


async def test_logs_are_streamed(client: Client, kubelet: Peer) -> None:
    kubelet.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    answer = await client("GET", f"{PODS}/p/log?follow=true&tailLines=3&pretty=true")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"hello world", "text/plain")
    assert kubelet.heads[0].startswith("GET /containerLogs/default/p/c?follow=true&tailLines=3 HTTP/1.1")
    assert "admin-token" not in kubelet.heads[0]
    assert re.search(r"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n", kubelet.heads[0])


async def test_logs_refused(client: Client, kubelet: Peer) -> None:
    kubelet.answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\nnope"
    answer = await client("GET", f"{PODS}/p/log")
    assert (answer.status, answer.message) == (400, "nope")


async def test_a_dead_kubelet(client: Client, kubelet: Peer) -> None:
    patch = {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": free_port()}}}}
    await client.ok("PATCH", "/api/v1/nodes/n1/status", patch, media=STRATEGIC)
    answer = await client("GET", f"{PODS}/p/log")
    assert (answer.status, answer.json()["kind"]) == (500, "Status")
    assert "dial tcp 127.0.0.1" in answer.message


async def test_exec_becomes_a_pipe(client: Client, kubelet: Peer) -> None:
    kubelet.answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    async with listening(client) as port:
        path = f"{PODS}/p/exec?command=ls&command=-l&stdin=true&stdout=true&tty=false"
        answer = await talk(
            port, path, "Connection: Upgrade", "Upgrade: SPDY/3.1", method="POST", send=b"abc", until=b"ABC"
        )
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert answer.endswith(b"ABC")
    head = kubelet.heads[0]
    assert head.startswith("POST /exec/default/p/c?input=1&output=1&command=ls&command=-l HTTP/1.1\r\n")
    assert "upgrade: spdy/3.1" in head.lower()
    assert "admin-token" not in head


async def test_exec_refused_by_the_kubelet(client: Client, kubelet: Peer) -> None:
    kubelet.answer = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\nno such"
    async with listening(client) as port:
        path = f"{PODS}/p/exec?command=ls&stdout=true"
        answer = await talk(port, path, "Connection: Upgrade", "Upgrade: websocket")
    assert b" 404 " in answer.split(b"\r\n")[0]
    assert b"no such" in answer


async def test_exec_without_an_upgrade(client: Client, kubelet: Peer) -> None:
    answer = await client("POST", f"{PODS}/p/exec?command=ls&stdout=true")
    assert (answer.status, answer.message) == (400, "Upgrade request required")


async def test_pod_proxy(client: Client, kubelet: Peer) -> None:
    """behaviour 72"""
    async with peer() as web:
        web.answer = b'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 20\r\n\r\n<a href="/x">link</a>'[
            :-1
        ]
        await client.ok(
            "PATCH",
            f"{PODS}/p/status",
            {"status": {"podIP": own_address("0.0.0.0"), "phase": "Running"}},
            media=STRATEGIC,
        )
        prefix = f"{PODS}/http:p:{web.port}/proxy"
        answer = await client("GET", f"{prefix}/some/path?a=b")
        assert answer.status == 200
        assert f'href="{prefix}/x"'.encode() in answer.body
        assert answer.headers["content-length"] == str(len(answer.body))
        assert web.heads[0].startswith("GET /some/path?a=b HTTP/1.1")
        assert "authorization" not in web.heads[0].lower()
        web.answer = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nraw"
        failed = await client("GET", f"{prefix}/")
        assert (failed.status, failed.body) == (502, b"raw")


async def test_node_proxy(client: Client, kubelet: Peer) -> None:
    kubelet.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert (await client("GET", "/api/v1/nodes/n1/proxy/healthz")).body == b"ok"
    assert kubelet.heads[0].startswith("GET /healthz HTTP/1.1")


@pytest.mark.parametrize("name", ["a:b:c:d", ":", "ftp:p:80", "p:"])
async def test_proxy_addresses(client: Client, name: str) -> None:
    assert (await client("GET", f"{PODS}/{name}/proxy/")).status in (400, 404)


async def test_watch_over_a_real_connection_ends_with_the_client(client: Client) -> None:
    cache = client.server.registry.by_plural("", "configmaps").cache
    async with listening(client) as port:
        await talk(port, "/api/v1/configmaps?watch=1", until=b'"ADDED"')
        async with asyncio.timeout(WAIT_SECONDS):
            while cache.watchers:  # noqa: ASYNC110 - the cache has no event for it
                await asyncio.sleep(0.001)


def websocket(*protocols: str) -> list[str]:
    found = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    return [*found, f"Sec-WebSocket-Protocol: {', '.join(protocols)}"] if protocols else found


@pytest.mark.parametrize(
    ("protocols", "frames"),
    [
        pytest.param(("binary.k8s.io",), b"\x82\x05hello\x82\x06 world\x88\x02\x03\xe8", id="binary"),
        pytest.param((), b"\x82\x05hello\x82\x06 world\x88\x02\x03\xe8", id="none"),
        pytest.param(("base64.binary.k8s.io",), b"\x81\x08aGVsbG8=\x81\x08IHdvcmxk\x88\x02\x03\xe8", id="base64"),
    ],
)
async def test_logs_over_a_websocket(client: Client, kubelet: Peer, protocols: tuple[str, ...], frames: bytes) -> None:
    """behaviour 59"""
    kubelet.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    kubelet.later = b"6\r\n world\r\n0\r\n\r\n"
    async with listening(client) as port:
        first = frames[: 2 + frames[1]]
        answer = await talk(
            port, f"{PODS}/p/log?follow=true", *websocket(*protocols), until=first, goes_on=kubelet.goes_on
        )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo" in head
    assert (b"Sec-WebSocket-Protocol" in head) is bool(protocols)
    assert body == frames


async def test_watches_over_a_websocket(client: Client) -> None:
    cache = client.server.registry.by_plural("", "configmaps").cache
    async with listening(client) as port:
        answer = await talk(port, "/api/v1/namespaces/kube-system/configmaps?watch=1", *websocket(), until=b'"ADDED"')
        assert b"101 Switching" in answer and answer.partition(b"\r\n\r\n")[2][:1] == b"\x81"

        async def over() -> bool:
            return not cache.watchers

        await eventually(over)


async def test_a_refused_websocket_is_told_why(client: Client, kubelet: Peer) -> None:
    async with listening(client) as port:
        answer = await talk(port, f"{PODS}/p/log?container=none", *websocket())
    assert answer.startswith(b"HTTP/1.1 400 ") and b"container none is not valid" in answer


async def test_admission_sees_a_connect_before_the_upgrade(client: Client, kubelet: Peer) -> None:
    """behaviour 26"""
    api = "/apis/admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CONNECT"],
        "resources": ["pods/exec", "pods/proxy"],
    }
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-shells"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [
                {"expression": "!has(object.command) || object.command[0] != 'sh'", "message": "no shells"}
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-shells"},
        "spec": {"policyName": "no-shells", "validationActions": ["Deny"]},
    }
    await client.ok("POST", f"{api}/validatingadmissionpolicies", policy)
    await client.ok("POST", f"{api}/validatingadmissionpolicybindings", binding)
    kubelet.answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    upgrade = ("Connection: Upgrade", "Upgrade: SPDY/3.1")
    async with listening(client) as port:
        refused = await talk(port, f"{PODS}/p/exec?command=sh&stdout=true", *upgrade, method="POST")
        assert b"no shells" in refused and b" 101 " not in refused and not kubelet.heads
        allowed = await talk(port, f"{PODS}/p/exec?command=ls&stdout=true", *upgrade, method="POST", until=b"\r\n\r\n")
        assert b" 101 " in allowed
