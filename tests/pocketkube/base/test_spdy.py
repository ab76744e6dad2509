"""SPDY sessions over a pair of connected sockets, and the header dictionary against the value every peer expects."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.base.spdy import DICTIONARY, MOST_UNREAD, HeaderCodec, Session, SpdyError
from pocketkube.base.tasks import cancel


def test_dictionary_is_the_one_of_the_protocol() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


TEXT = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(st.dictionaries(TEXT, TEXT, max_size=4), max_size=4))
def test_header_blocks_share_one_stream(blocks: list[dict[str, str]]) -> None:
    sender, receiver = HeaderCodec(), HeaderCodec()
    for block in blocks:
        lower = {name.lower(): value for name, value in block.items()}
        assert receiver.decode(sender.encode(lower)) == lower


@given(st.binary(max_size=60))
def test_garbage_is_refused(data: bytes) -> None:
    try:
        HeaderCodec().decode(data)
    except SpdyError:
        return


@asynccontextmanager
async def sessions() -> AsyncIterator[tuple[Session, Session]]:
    one, other = socket.socketpair()
    client = Session(*await asyncio.open_connection(sock=one), server=False)
    server = Session(*await asyncio.open_connection(sock=other), server=True)
    running = [asyncio.create_task(client.run()), asyncio.create_task(server.run())]
    try:
        yield client, server
    finally:
        await client.close()
        await server.close()
        await cancel(*running)


async def test_streams_carry_both_ways() -> None:
    async with sessions() as (client, server):
        sent = await client.open({"streamType": "data", "port": "80"})
        got = await anext(server.accept())
        assert got.headers == {"streamtype": "data", "port": "80"}
        await sent.write(b"x" * 100_000)
        await sent.close()
        received = b""
        while data := await got.read():
            received += data
        assert received == b"x" * 100_000
        await got.write(b"answer")
        await got.close()
        assert await sent.read() == b"answer"
        assert await sent.read() == b""
        assert await sent.read() == b""


async def test_many_streams_at_once() -> None:
    async with sessions() as (client, server):
        opened = [await client.open({"n": str(n)}) for n in range(20)]
        accepted = server.accept()
        seen = [await anext(accepted) for _ in opened]
        assert [s.headers["n"] for s in seen] == [str(n) for n in range(20)]
        for stream in reversed(seen):
            await stream.write(stream.headers["n"].encode())
        assert [await s.read() for s in opened] == [str(n).encode() for n in range(20)]


async def test_a_lost_connection_ends_every_stream() -> None:
    async with sessions() as (client, server):
        stream = await client.open({"a": "b"})
        await anext(server.accept())
        await server.close()
        assert await stream.read() == b""
        await client.over.wait()
        with pytest.raises(SpdyError):
            await stream.write(b"late")


async def test_reset_ends_the_peers_reading() -> None:
    async with sessions() as (client, server):
        stream = await client.open({"a": "b"})
        got = await anext(server.accept())
        await stream.reset()
        assert await got.read() == b""


async def test_a_slow_reader_slows_its_peer_down() -> None:
    async with sessions() as (client, server):
        sent = await client.open({"streamType": "data"})
        got = await anext(server.accept())
        total = 64 * MOST_UNREAD
        writing = asyncio.create_task(sent.write(b"x" * total))
        done, _ = await asyncio.wait({writing}, timeout=0.2)
        assert not done  # most of it waits at the sender
        received = 0
        async with asyncio.timeout(20):
            while received < total:
                received += len(await got.read())
            await writing


async def test_a_stream_that_nobody_reads_holds_nothing_up_once_it_is_forgotten() -> None:
    async with sessions() as (client, server):
        ignored = await client.open({"streamType": "data"})
        got = await anext(server.accept())
        writing = asyncio.create_task(ignored.write(b"x" * (4 * MOST_UNREAD)))
        server.forget(got)
        async with asyncio.timeout(20):
            await writing
            other = await client.open({"streamType": "other"})
            await other.write(b"hello")
            assert await (await anext(server.accept())).read() == b"hello"
