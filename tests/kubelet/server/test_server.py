"""The kubelet's HTTP API served on loopback over the in-memory runtime, driven as kubectl and the API server drive it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from kubelet.config import KubeletConfig
from kubelet.node.agent import NodeAgent
from kubelet.runtime.memory import MemoryRuntime, Script
from kubelet.server.app import KubeletServer
from kubelet.server.authentication import ANONYMOUS, Gate, subresources
from kubelet.stats.summary import Stats
from pocketkube.base.clock import FakeClock
from pocketkube.base.serving import serve
from pocketkube.base.spdy import Session
from pocketkube.base.tasks import cancel
from pocketkube.client.config import ClientConfig
from pocketkube.client.rest import Client
from tests.conftest import free_port
from tests.kubelet.world import IMAGE, World, container, pod

Obj = dict[str, Any]


class Served:
    def __init__(self, world: World, port: int, uid: str) -> None:
        self.world, self.port, self.uid = world, port, uid
        self.base = f"http://127.0.0.1:{port}"

    async def connect(self, path: str, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """Ask for an upgrade; the head of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"POST {path} HTTP/1.1", "Host: k", "Connection: Upgrade", "Content-Length: 0", *headers, "", ""]
        if any("websocket" in h for h in headers):
            lines[0] = lines[0].replace("POST", "GET")
        writer.write("\r\n".join(lines).encode())
        return reader, writer, await reader.readuntil(b"\r\n\r\n")


def script(config: Any) -> Script:
    return Script(log=b"one\ntwo\nthree\n")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = FakeClock()
    world = World(tmp_path, runtime=MemoryRuntime(clock, images=(IMAGE,), script=script))
    uid = world.add(pod("web", container("c"), container("d")))
    await world.until(lambda: world.ready(uid))
    config = KubeletConfig(node_name="node-1", root_dir=tmp_path)
    client = Client(ClientConfig())
    agent = NodeAgent(config, client, world.runtime, clock)
    stats = Stats(world.runtime, world.manager, agent, clock, root=tmp_path, name="node-1")
    config = KubeletConfig(node_name="node-1", root_dir=tmp_path, anonymous_auth=True, authorization_mode="AlwaysAllow")
    app = KubeletServer(world.runtime, world.manager, stats, clock, gate=Gate(config, client, clock))
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(
        serve(app, host="127.0.0.1", port=port, stop=stop, on_ready=ready.set, shutdown_seconds=1)
    )
    await ready.wait()
    yield Served(world, port, uid)
    stop.set()
    await task
    await world.manager.stop()
    await client.aclose()


async def get(served: Served, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=served.base) as client:
        return await client.get(path)


async def test_pods(served: Served) -> None:
    found = (await get(served, "/pods")).json()
    assert found["kind"] == "PodList"
    assert found["items"][0]["status"]["phase"] == "Running"


async def test_health_stats_metrics(served: Served) -> None:
    assert (await get(served, "/healthz")).text == "ok"
    summary = (await get(served, "/stats/summary")).json()
    assert summary["pods"][0]["podRef"]["name"] == "web"
    assert 'container_memory_working_set_bytes{container="c"' in (await get(served, "/metrics/resource")).text


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        pytest.param("", 200, "one\ntwo\nthree\n", id="all"),
        pytest.param("?tailLines=1", 200, "three\n", id="tail"),
        pytest.param("?limitBytes=5", 200, "one\nt", id="limit"),
        pytest.param("?tailLines=x", 400, None, id="bad number"),
        pytest.param(
            "?previous=true", 400, 'previous terminated container "c" in pod "web" not found', id="no previous"
        ),
    ],
)
async def test_logs(served: Served, query: str, status: int, text: str | None) -> None:
    answer = await get(served, f"/containerLogs/default/web/c{query}")
    assert answer.status_code == status
    assert text is None or answer.text == text


async def test_log_of_nothing(served: Served) -> None:
    assert (await get(served, "/containerLogs/default/web/nope")).status_code == 400
    assert (await get(served, "/containerLogs/default/gone/c")).status_code == 404


class WebSocketClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = Connection(ConnectionType.CLIENT)

    async def send(self, data: bytes) -> None:
        self._writer.write(self._connection.send(BytesMessage(data=data)))

    async def messages(self) -> list[bytes]:
        """All until the server closes."""
        found = []
        while data := await self._reader.read(65536):
            self._connection.receive_data(data)
            for event in self._connection.events():
                if isinstance(event, BytesMessage | TextMessage):
                    found.append(event.data.encode() if isinstance(event.data, str) else bytes(event.data))
                elif isinstance(event, CloseConnection):
                    self._writer.close()
                    return found
        return found


def websocket(protocol: str) -> list[str]:
    key = base64.b64encode(os.urandom(16)).decode()
    return [
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Protocol: {protocol}",
    ]


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_exec_over_websocket(served: Served, protocol: str) -> None:
    """Behaviour 59: output before the status on channel 3, also on success."""
    served.world.runtime.command = lambda record, command: (0, b"hello")
    reader, writer, head = await served.connect(
        "/exec/default/web/c?command=echo&command=hello&stdout=true&stderr=true", *websocket(protocol)
    )
    assert head.startswith(b"HTTP/1.1 101") and protocol.encode() in head
    output, status = await WebSocketClient(reader, writer).messages()
    assert output == b"\x01hello"
    assert status[:1] == b"\x03" and json.loads(status[1:])["status"] == "Success"


async def test_exec_stdin_and_its_end_over_websocket(served: Served) -> None:
    served.world.runtime.command = lambda record, command: (3, b"")
    reader, writer, _ = await served.connect(
        "/exec/default/web/c?command=cat&input=1&output=1", *websocket("v5.channel.k8s.io")
    )
    client = WebSocketClient(reader, writer)
    await client.send(b"\x00typed")
    await client.send(b"\xff\x00")
    output, status = await client.messages()
    assert output == b"\x01typed"
    found = json.loads(status[1:])
    assert found["reason"] == "NonZeroExitCode"
    assert found["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_base64_channels(served: Served) -> None:
    served.world.runtime.command = lambda record, command: (0, b"hello")
    reader, writer, _ = await served.connect(
        "/exec/default/web/c?command=x&stdout=true", *websocket("v4.base64.channel.k8s.io")
    )
    output, status = await WebSocketClient(reader, writer).messages()
    assert (output[:1], base64.b64decode(output[1:])) == (b"1", b"hello")
    assert status[:1] == b"3"


async def test_exec_over_spdy(served: Served) -> None:
    served.world.runtime.command = lambda record, command: (7, b"hello")
    reader, writer, head = await served.connect(
        "/exec/default/web/c?command=x&stdin=true&stdout=true&stderr=true",
        "Upgrade: SPDY/3.1",
        "X-Stream-Protocol-Version: v4.channel.k8s.io",
        "X-Stream-Protocol-Version: channel.k8s.io",
    )
    assert b"X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    session = Session(reader, writer, server=False)
    running = asyncio.create_task(session.run())
    streams = {kind: await session.open({"streamType": kind}) for kind in ("error", "stdin", "stdout", "stderr")}
    assert await streams["stdout"].read() == b"hello"
    await streams["stdin"].write(b"more")
    assert await streams["stdout"].read() == b"more"
    await streams["stdin"].close()
    found = json.loads(await streams["error"].read())
    assert found["details"]["causes"][0]["message"] == "7"
    await session.close()
    await cancel(running)


async def test_exec_in_what_does_not_run(served: Served) -> None:
    _, writer, head = await served.connect("/exec/default/web/nope?command=x", *websocket("v4.channel.k8s.io"))
    assert head.startswith(b"HTTP/1.1 404")
    writer.close()


async def echo_server() -> tuple[asyncio.Server, int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def forward(session: Session, port: int) -> tuple[bytes, bytes]:
    """(answer, error)"""
    named = {"port": str(port), "requestID": "0"}
    error = await session.open({"streamType": "error", **named})
    data = await session.open({"streamType": "data", **named})
    await data.write(b"hello")
    await data.close()
    return await data.read(), await error.read()


async def test_port_forward_over_spdy(served: Served) -> None:
    echo, port = await echo_server()
    reader, writer, head = await served.connect(
        "/portForward/default/web", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"
    )
    assert head.startswith(b"HTTP/1.1 101")
    session = Session(reader, writer, server=False)
    running = asyncio.create_task(session.run())
    assert await forward(session, port) == (b"HELLO", b"")
    await session.close()
    await cancel(running)
    echo.close()


async def test_port_forward_ends_with_the_pod(served: Served) -> None:
    """kubectl waits for the end of both streams before it ends its own, so the pod's end must be enough."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer, _ = await served.connect(
        "/portForward/default/web", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"
    )
    session = Session(reader, writer, server=False)
    running = asyncio.create_task(session.run())
    headers = {"port": str(port), "requestid": "0"}
    error = await session.open({**headers, "streamtype": "error"}, fin=True)
    data = await session.open({**headers, "streamtype": "data"})
    async with asyncio.timeout(10):
        assert (await data.read(), await data.read(), await error.read()) == (b"bye", b"", b"")
    await session.close()
    await cancel(running)
    server.close()


async def test_port_forward_to_a_closed_port(served: Served) -> None:
    reader, writer, _ = await served.connect(
        "/portForward/default/web", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io"
    )
    session = Session(reader, writer, server=False)
    running = asyncio.create_task(session.run())
    port = free_port()
    answer, error = await forward(session, port)
    assert answer == b"" and error.startswith(f"error forwarding port {port} to pod".encode())
    await session.close()
    await cancel(running)


async def test_port_forward_over_a_tunnel(served: Served) -> None:
    """SPDY inside WebSocket messages, as kubectl does since 1.31."""
    echo, port = await echo_server()
    reader, writer, head = await served.connect("/portForward/default/web", *websocket("SPDY/3.1+portforward.k8s.io"))
    assert b"SPDY/3.1+portforward.k8s.io" in head
    session = Session(tunnel := Tunnel(reader, writer), tunnel, server=False)
    running = asyncio.create_task(session.run())
    assert await forward(session, port) == (b"HELLO", b"")
    await session.close()
    await cancel(running)
    echo.close()


class Tunnel:
    """The client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = Connection(ConnectionType.CLIENT)
        self._buffer = b""

    async def readexactly(self, n: int) -> bytes:
        while len(self._buffer) < n:
            data = await self._reader.read(65536)
            if not data:
                raise asyncio.IncompleteReadError(self._buffer, n)
            self._connection.receive_data(data)
            self._buffer += b"".join(bytes(e.data) for e in self._connection.events() if isinstance(e, BytesMessage))
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def write(self, data: bytes) -> None:
        self._writer.write(self._connection.send(BytesMessage(data=data)))

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/pods", ("pods", "proxy")),
        ("/stats/summary", ("stats",)),
        ("/metrics/cadvisor", ("metrics",)),
        ("/exec/a/b/c", ("proxy",)),
        ("/healthz", ("healthz", "proxy")),
    ],
)
def test_subresources(path: str, expected: tuple[str, ...]) -> None:
    assert subresources(path) == expected


def test_anonymous_is_upstreams() -> None:
    assert ANONYMOUS.name == "system:anonymous"
