"""Calls over HTTP/2 against a peer that says exactly what a test wants, and against etcd where sizes matter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.storage.etcd import EtcdStore, messages
from apiserver.storage.etcd.messages import TXN, WATCH, rpc
from pocketkube.base.grpc import channel, frames
from pocketkube.base.grpc.calls import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, Failure
from pocketkube.base.grpc.channel import Channel
from tests.conftest import Etcd

SHRUNK = b"\x20"  # the dynamic table has no room any more, as our settings ask
HEAD = SHRUNK + frames.header_block([(":status", "200"), ("content-type", "application/grpc")])
OK = SHRUNK + frames.header_block([("grpc-status", "0"), ("grpc-message", "")])
REFUSED = SHRUNK + frames.header_block([("grpc-status", "14"), ("grpc-message", "etcdserver: no%20leader")])
END = frames.END_HEADERS | frames.END_STREAM


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def start(self, *settings: tuple[int, int]) -> None:
        assert await self._reader.readexactly(24) == frames.PREFACE[:24]
        content = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings)
        self.say(frames.SETTINGS, 0, 0, content)

    async def hear(self, wanted: int) -> tuple[int, int, bytes]:
        """(flags, stream, content) of the next frame of a kind."""
        while True:
            high, low, kind, flags, stream = frames.HEAD.unpack(await self._reader.readexactly(9))
            content = await self._reader.readexactly(high << 16 | low)
            if kind == wanted:
                return flags, stream, content

    def say(self, kind: int, flags: int, stream: int, content: bytes = b"") -> None:
        self.writer.write(frames.frame(kind, flags, stream, content))

    def answer(self, stream: int, data: bytes) -> None:
        self.say(frames.HEADERS, frames.END_HEADERS, stream, HEAD)
        self.say(frames.DATA, 0, stream, b"\0" + len(data).to_bytes(4, "big") + data)
        self.say(frames.HEADERS, END, stream, OK)


Behaviour = Callable[[Peer], Awaitable[None]]
Connect = Callable[[Behaviour], Awaitable[Channel]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens a channel to a peer that does what it is told."""
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    channels: list[Channel] = []
    done: list[asyncio.Future[None]] = []
    serving: list[asyncio.Task[None] | None] = []

    async def open_channel(behaviour: Behaviour) -> Channel:
        did = loop.create_future()
        done.append(did)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.append(asyncio.current_task())
            try:
                await behaviour(Peer(reader, writer))
                did.set_result(None)
            except Exception as failure:
                did.set_exception(failure)
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        _, made = await loop.create_connection(lambda: Channel("etcd", scheme="http"), "127.0.0.1", port)
        channels.append(made)
        return made

    async with asyncio.timeout(10):
        yield open_channel
        await asyncio.gather(*done)
        for made in channels:
            made.close()
        await asyncio.gather(*[task for task in serving if task is not None])
        for server in servers:
            server.close()
            await server.wait_closed()


async def test_questions_are_answered_in_any_order(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        heard = [await it.hear(frames.DATA) for _ in range(3)]
        assert [(flags, content) for flags, _, content in heard] == [
            (frames.END_STREAM, b"\0\0\0\0\1" + bytes([97 + n])) for n in range(3)
        ]
        for _, stream, content in reversed(heard):
            it.answer(stream, content[5:] * 2)

    opened = await connect(peer)
    asked = [opened.ask(TXN, text, seconds=5) for text in (b"a", b"b", b"c")]
    assert await asyncio.gather(*asked) == [b"aa", b"bb", b"cc"]


async def test_frames_may_come_in_any_pieces(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        _, stream, _ = await it.hear(frames.DATA)
        message = b"\0" + (100_000).to_bytes(4, "big") + b"x" * 100_000
        padded = frames.DATA, frames.PADDED, stream, b"\3" + message[:2] + b"\0\0\0"
        told = [
            (frames.HEADERS, 0, stream, HEAD[:5]),
            (frames.CONTINUATION, frames.END_HEADERS, stream, HEAD[5:]),
            padded,
            *((frames.DATA, 0, stream, message[at : at + 9000]) for at in range(2, len(message), 9000)),
            (99, 0, 0, b"a kind that nobody knows"),
            (frames.HEADERS, END, stream, OK),
        ]
        data = b"".join(frames.frame(*each) for each in told)
        for at in range(0, len(data), 7001):
            it.writer.write(data[at : at + 7001])
            await it.writer.drain()
            await asyncio.sleep(0)

    opened = await connect(peer)
    assert await opened.ask(TXN, b"", seconds=5) == b"x" * 100_000


async def test_a_message_waits_for_the_windows(connect: Connect) -> None:
    message = bytes(range(256)) * 400

    async def peer(it: Peer) -> None:
        await it.start((frames.INITIAL_WINDOW, 1000))
        found, stream = b"", 0
        while len(found) < len(message) + 5:
            flags, stream, content = await it.hear(frames.DATA)
            found += content
            for number in (0, stream):
                it.say(frames.WINDOW_UPDATE, 0, number, len(content).to_bytes(4, "big"))
        assert flags & frames.END_STREAM
        it.answer(stream, b"%d" % (found[5:] == message))

    opened = await connect(peer)
    assert await opened.ask(TXN, message, seconds=10) == b"1"


async def test_the_peer_is_answered(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        assert (await it.hear(frames.SETTINGS))[0] == 0
        assert (await it.hear(frames.SETTINGS))[0] == frames.ACK
        it.say(frames.PING, 0, 0, b"12345678")
        assert await it.hear(frames.PING) == (frames.ACK, 0, b"12345678")

    await connect(peer)


@pytest.mark.parametrize(
    ("told", "code", "unsent"),
    [
        pytest.param([(frames.HEADERS, END, 1, REFUSED)], 14, False, id="status"),
        pytest.param([(frames.RST_STREAM, 0, 1, b"\0\0\0\7")], UNAVAILABLE, True, id="refused"),
        pytest.param([(frames.RST_STREAM, 0, 1, b"\0\0\0\x08")], CANCELLED, False, id="cancelled"),
        pytest.param([(frames.GOAWAY, 0, 0, b"\0" * 8)], UNAVAILABLE, True, id="goes away before it"),
        pytest.param([(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff")], UNAVAILABLE, False, id="nonsense"),
        pytest.param([(frames.DATA, 0, 1, b"\1\0\0\0\0")], UNAVAILABLE, False, id="compressed"),
    ],
)
async def test_failures(connect: Connect, told: list[tuple[int, int, int, bytes]], code: int, unsent: bool) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        await it.hear(frames.DATA)
        for each in told:
            it.say(*each)

    opened = await connect(peer)
    with pytest.raises(Failure) as caught:
        await opened.ask(TXN, b"", seconds=5)
    assert (caught.value.code, caught.value.unsent) == (code, unsent)
    if told[0][3] is REFUSED:
        assert caught.value.details == "etcdserver: no leader"


async def test_after_goaway_what_is_under_way_ends_and_nothing_begins(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        await it.hear(frames.DATA)
        it.say(frames.GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0")
        it.answer(1, b"done")

    opened = await connect(peer)
    assert await opened.ask(TXN, b"", seconds=5) == b"done"
    assert opened.closed
    with pytest.raises(Failure) as caught:
        await opened.ask(TXN, b"", seconds=5)
    assert caught.value.unsent


async def test_a_lost_connection_fails_all_calls(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        await it.hear(frames.DATA)
        it.writer.transport.abort()

    opened = await connect(peer)
    whole = opened.ask(TXN, b"", seconds=5)
    cut = opened.ask(TXN, b"x" * 70_000, seconds=5)
    failures = await asyncio.gather(whole, cut, return_exceptions=True)
    assert [(f.code, f.unsent) for f in failures if isinstance(f, Failure)] == [
        (UNAVAILABLE, False),
        (UNAVAILABLE, True),
    ]


class Wire(asyncio.Transport):
    """A transport that, as uvloop's, takes nothing once it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.written.append(bytes(data))


async def test_what_is_asked_in_the_turn_of_the_loss_fails_quietly() -> None:
    wire, opened, trouble = Wire(), Channel("etcd", scheme="http"), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: trouble.append(context))
    opened.connection_made(wire)
    await asyncio.sleep(0)
    asked = opened.ask(TXN, b"a", seconds=5)
    wire.closed = True
    opened.connection_lost(None)
    with pytest.raises(Failure) as failure:
        await asked
    await asyncio.sleep(0)
    assert (failure.value.code, len(wire.written), trouble) == (UNAVAILABLE, 1, [])


async def test_a_deadline(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "TICK_SECONDS", 0.01)

    async def peer(it: Peer) -> None:
        await it.start()
        assert await it.hear(frames.RST_STREAM) == (0, 1, b"\0\0\0\x08")

    opened = await connect(peer)
    with pytest.raises(Failure) as caught:
        await opened.ask(TXN, b"", seconds=0.05)
    assert caught.value.code == DEADLINE_EXCEEDED


async def test_a_silent_peer_is_probed_and_given_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "TICK_SECONDS", 0.01)

    async def peer(it: Peer) -> None:
        await it.start()
        assert (await it.hear(frames.PING))[0] == 0

    opened = await connect(peer)
    stream = opened.stream(WATCH, b"")
    with pytest.raises(Failure) as caught:
        await stream.read()
    assert caught.value.code == UNAVAILABLE


async def test_a_stream_gives_messages_until_it_ends(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        assert not (await it.hear(frames.DATA))[0] & frames.END_STREAM
        it.say(frames.HEADERS, frames.END_HEADERS, 1, HEAD)
        it.say(frames.DATA, 0, 1, b"\0\0\0\0\1a\0\0\0\0\1b\0\0")
        it.say(frames.DATA, 0, 1, b"\0\0\1c")
        it.say(frames.HEADERS, END, 1, OK)

    stream = (await connect(peer)).stream(WATCH, b"")
    assert [await stream.read() for _ in range(4)] == [b"a", b"b", b"c", None]


async def test_windows_are_given_back_once_a_stream_is_read(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 16_000
    monkeypatch.setattr(channel, "_STREAM_CREDIT", 2 * size)
    monkeypatch.setattr(frames, "OUR_WINDOW", 3 * size)
    sent = asyncio.Event()

    async def peer(it: Peer) -> None:
        await it.start()
        await it.hear(frames.DATA)
        it.say(frames.HEADERS, frames.END_HEADERS, 1, HEAD)
        for _ in range(5):
            it.say(frames.DATA, 0, 1, b"\0" + (size - 5).to_bytes(4, "big") + b"x" * (size - 5))
        sent.set()
        given = 0
        while given < 5 * size - 2 * size:
            _, stream, content = await it.hear(frames.WINDOW_UPDATE)
            given += frames.number(content) if stream == 1 else 0

    stream = (await connect(peer)).stream(WATCH, b"")
    await sent.wait()
    for _ in range(5):
        assert len(await stream.read() or b"") == size - 5
    stream.cancel(stream)


async def test_streams_of_a_member_that_is_left_end_and_calls_go_on(connect: Connect) -> None:
    async def peer(it: Peer) -> None:
        await it.start()
        _, _, code = await it.hear(frames.RST_STREAM)
        assert frames.number(code) == frames.CANCEL

    made = await connect(peer)
    stream, asked = made.stream(WATCH, b""), made.ask(TXN, b"", seconds=60)
    made.end_streams()
    with pytest.raises(Failure):
        await stream.read()
    assert not asked.done()
    asked.cancel()


keys = st.binary(min_size=1, max_size=300)


@settings(max_examples=50, deadline=None)
@given(key=keys, value=st.binary(max_size=20_000), revision=st.integers(0, 2**62), lease=st.integers(0, 2**62))
def test_written_out_messages_are_those_of_the_generated_classes(
    key: bytes, value: bytes, revision: int, lease: int
) -> None:
    compare = rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=key, mod_revision=revision)
    otherwise = rpc.RequestOp(request_range=rpc.RangeRequest(key=key))
    put = rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=value, lease=lease))
    delete = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key))
    for operation, made in ((put, messages.put(key, value, lease)), (delete, messages.delete(key))):
        whole = rpc.TxnRequest(compare=[compare], success=[operation], failure=[otherwise])
        assert rpc.TxnRequest.FromString(messages.expecting(key, revision, made)) == whole
    absent = rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=key, mod_revision=0)
    fence = rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=b"fence", mod_revision=revision)
    look = rpc.RequestOp(request_range=rpc.RangeRequest(key=b"fence"))
    whole = rpc.TxnRequest(compare=[absent, fence], success=[put], failure=[otherwise, look])
    made = messages.creating(key, messages.put(key, value, lease), fence=b"fence", revision=revision)
    assert rpc.TxnRequest.FromString(made) == whole


@pytest.mark.integration
async def test_large_values_many_at_once(etcd: Etcd) -> None:
    store = EtcdStore([etcd.endpoint])
    sizes = [1, 16_379, 16_380, 65_535, 70_000, 1_400_000, *(100_000 + n for n in range(60))]
    await asyncio.gather(*(store.create(f"/registry/big/{size:07}", b"v" * size) for size in sizes))
    page = await store.list("/registry/big/")
    assert [len(item.value) for item in page.items] == sorted(sizes)
    await store.close()
