"""The balancer between real sockets: it spreads, it avoids the dead, it passes bytes both ways untouched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pocketkube.cluster.balancer import Balancer, Server, Watching


@asynccontextmanager
async def backend(name: bytes) -> AsyncIterator[int]:
    """A server that says its name, then echoes; yields its port. Leaves no connection open."""
    serving: set[asyncio.Task[None]] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name)
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(echo(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
        if serving:
            await asyncio.wait_for(asyncio.gather(*serving), 10)


@asynccontextmanager
async def balancing(*ports: int) -> AsyncIterator[tuple[Balancer, int]]:
    balancer = Balancer([Server("127.0.0.1", port) for port in ports])
    server = await asyncio.get_running_loop().create_server(balancer.accept, "127.0.0.1", 0)
    async with server:
        yield balancer, int(server.sockets[0].getsockname()[1])
        left = [side.closed.wait() for s in balancer.servers for side in s.pairs]
        await asyncio.wait_for(asyncio.gather(*left), 10)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_connections_spread_over_servers() -> None:
    async with backend(b"one") as one, backend(b"two") as two, balancing(one, two) as (_, port):
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        names = []
        for reader, _ in streams:
            names.append(await reader.readexactly(3))
        for _, writer in streams:
            await close(writer)
    assert sorted(names) == [b"one", b"one", b"two", b"two"]


async def test_a_server_that_refuses_is_passed_over() -> None:
    async with backend(b"gone") as dead:
        pass
    async with backend(b"one") as one, balancing(dead, one) as (balancer, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(3) == b"one"
        assert [s.ready for s in balancer.servers] == [False, True]
        await close(writer)


async def test_a_server_that_answers_late_keeps_its_connections_and_gets_no_new_ones() -> None:
    async with backend(b"one") as one, backend(b"two") as two, balancing(one, two) as (balancer, port):
        first, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await first.readexactly(3) == b"one"
        balancer.servers[0].is_late()
        streams = [(first, writer)]
        for name in (b"two", b"two"):
            streams.append(await asyncio.open_connection("127.0.0.1", port))
            assert await streams[-1][0].readexactly(3) == name
        writer.write(b"still here")
        assert await first.readexactly(10) == b"still here"
        balancer.servers[0].mark(True)
        streams.append(await asyncio.open_connection("127.0.0.1", port))
        assert await streams[-1][0].readexactly(3) == b"one"
        for _, writer in streams:
            await close(writer)


async def test_a_server_that_is_not_ready_loses_its_connections() -> None:
    async with backend(b"one") as one, balancing(one) as (balancer, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(3) == b"one"
        balancer.servers[0].mark(False)
        assert await reader.read() == b""
        await close(writer)


async def test_much_passes_both_ways_though_the_reader_is_slow() -> None:
    payload = bytes(range(256)) * 40_000
    async with backend(b"one") as one, balancing(one) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(3) == b"one"
        sending = asyncio.create_task(_send(writer, payload))
        assert await reader.readexactly(len(payload)) == payload
        await sending
        await close(writer)


async def _send(writer: asyncio.StreamWriter, payload: bytes) -> None:
    writer.write(payload)
    await writer.drain()


async def test_without_any_server_a_client_is_hung_up_on() -> None:
    async with backend(b"gone") as dead:
        pass
    async with balancing(dead) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        await close(writer)


async def test_servers_come_and_go_with_the_file(tmp_path: Path) -> None:
    """One that is not named any more keeps the connections it has and gets no others."""
    async with backend(b"one") as one, backend(b"two") as two, balancing() as (balancer, port):
        file = tmp_path / "backends"
        file.write_text(f"127.0.0.1:{one}\n")
        watching = Watching(balancer, file)
        watching.reread()
        balancer.servers[0].ready = True
        await watching.end()  # these servers do not say whether they are ready
        old, old_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await old.readexactly(3) == b"one"
        file.write_text(f"127.0.0.1:{two}\n")
        watching.reread()
        await watching.end()
        new, new_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await new.readexactly(3) == b"two"
        old_writer.write(b"still there")
        assert await old.readexactly(11) == b"still there"
        file.write_text("junk\n")
        watching.reread()
        assert [s.port for s in balancer.servers] == [two]
        await close(old_writer)
        await close(new_writer)
