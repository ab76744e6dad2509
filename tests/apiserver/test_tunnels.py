"""Tunnels end when either side does, and nothing of them is left: tasks and sockets are counted."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pocketkube.base import tls
from tests.apiserver.server import WAIT_SECONDS, Client, eventually, pod, running
from tests.apiserver.test_kubelet import PODS, STRATEGIC, listening
from tests.certificates import Pki

_HEAD = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"


class Kubelet:
    """Sends without an end to whom asks for output, echoes what others send; `open` are its tunnels."""

    def __init__(self) -> None:
        self.writers: set[asyncio.StreamWriter] = set()
        self.received = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(_HEAD)
        self.writers.add(writer)
        try:
            if b"command=flood" in head:
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
            while data := await reader.read(65536):
                self.received += len(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            self.writers.discard(writer)
            writer.transport.abort()


@pytest.fixture
async def kubelet(tmp_path: Path, pki: Pki) -> AsyncIterator[tuple[Client, Kubelet]]:
    made = Kubelet()
    context = tls.server_context(pki.server, pki.server_key, pki.ca)
    flags: dict[str, Any] = {"kubelet_client_certificate": str(pki.client), "kubelet_client_key": str(pki.client_key)}
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=context)
    async with running(tmp_path, kubelet_certificate_authority=str(pki.ca), **flags) as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        await client.ok("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": server.sockets[0].getsockname()[1]}},
        }
        await client.ok("PATCH", "/api/v1/nodes/n1/status", {"status": status}, media=STRATEGIC)
        await client.ok("POST", PODS, pod())
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "p"},
            "target": {"kind": "Node", "name": "n1"},
        }
        await client.ok("POST", f"{PODS}/p/binding", binding)
        yield client, made
    server.close()


async def begin(port: int, command: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"{PODS}/p/exec?command={command}&stdout=true&stdin=true"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(WAIT_SECONDS):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def sockets() -> int:
    found = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sum(1 for fd in found if os.path.lexists(fd) and os.readlink(fd).startswith("socket:"))


async def counted(before: tuple[int, int]) -> None:
    async def over() -> bool:
        return len(asyncio.all_tasks()) <= before[0] and sockets() <= before[1]

    await eventually(over)


@pytest.mark.parametrize("how", ["abort", "close", "end of input"])
@pytest.mark.parametrize("command", ["flood", "cat"])
async def test_a_client_that_leaves(kubelet: tuple[Client, Kubelet], command: str, how: str) -> None:
    client, behind = kubelet
    async with listening(client) as port:
        before = len(asyncio.all_tasks()), sockets()
        opened = [await begin(port, command) for _ in range(5)]
        assert len(behind.writers) == 5
        for _, writer in opened:
            if how == "abort":
                writer.transport.abort()
            elif how == "close":
                writer.close()
            else:
                writer.write_eof()

        async def ended() -> bool:
            return not behind.writers

        await eventually(ended)
        for _, writer in opened:
            writer.transport.abort()  # our own ends, where they are open still
        await counted(before)


async def test_a_kubelet_that_vanishes(kubelet: tuple[Client, Kubelet]) -> None:
    client, behind = kubelet
    async with listening(client) as port:
        before = len(asyncio.all_tasks()), sockets()
        reader, writer = await begin(port, "cat")
        writer.write(b"hello")
        async with asyncio.timeout(WAIT_SECONDS):
            assert await reader.readexactly(5) == b"hello"
            for theirs in behind.writers:
                theirs.transport.abort()
            assert await reader.read() == b""
        writer.close()
        await counted(before)


async def test_a_client_that_reads_nothing_is_waited_for(kubelet: tuple[Client, Kubelet]) -> None:
    """The flood stops at the kubelet: little of it lies in this server."""
    client, behind = kubelet
    async with listening(client) as port:
        reader, writer = await begin(port, "flood")
        (theirs,) = behind.writers

        async def stopped() -> bool:
            return theirs.transport.get_write_buffer_size() > 0

        await eventually(stopped)
        total = 0
        async with asyncio.timeout(WAIT_SECONDS):
            while total < 20_000_000:
                total += len(await reader.read(1 << 20))
        writer.transport.abort()


async def test_a_server_that_stops_ends_its_tunnels(kubelet: tuple[Client, Kubelet]) -> None:
    client, behind = kubelet
    before = len(asyncio.all_tasks()), sockets()
    started = time.monotonic()
    async with listening(client) as port:
        reader, writer = await begin(port, "cat")
    async with asyncio.timeout(WAIT_SECONDS):
        assert await reader.read() == b""
    writer.close()
    assert time.monotonic() - started < 5
    await counted(before)
    assert not behind.writers


async def test_a_server_that_stops_does_not_wait_for_one_who_reads_nothing(kubelet: tuple[Client, Kubelet]) -> None:
    client, behind = kubelet
    before = len(asyncio.all_tasks()), sockets()
    async with listening(client) as port:
        _, writer = await begin(port, "flood")
        (theirs,) = behind.writers

        async def stopped() -> bool:
            return theirs.transport.get_write_buffer_size() > 0

        await eventually(stopped)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    writer.transport.abort()
    await counted(before)


async def test_bytes_are_equal(kubelet: tuple[Client, Kubelet]) -> None:
    client, _ = kubelet
    data = os.urandom(3_000_000)
    async with listening(client) as port:
        reader, writer = await begin(port, "cat")
        writer.write(data)
        async with asyncio.timeout(WAIT_SECONDS):
            assert await reader.readexactly(len(data)) == data
        writer.close()
