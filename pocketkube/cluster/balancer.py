"""One stable address in front of several API servers: `python -m pocketkube.cluster.balancer --listen A:P --backends FILE`.

The file names a server a line, ADDRESS:PORT, and is read again on SIGHUP: a new server gets connections once it is ready, one that is not
named any more gets none and keeps those that it has until it ends them.

Bytes pass through untouched, so TLS and client certificates stay between client and server. A new connection goes to the server
with the fewest; one that refuses, does not accept in time, does not say it is ready or is late to say so gets none, and one that stops
being ready loses those it has: its clients reconnect and reach another. So a server that hangs, for which its kernel goes on accepting,
gets nothing new after two seconds and is left by everyone after four.

Two balancers share the port. Of one that ends the other inherits the connections that wait; one that hangs is ended by the supervisor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import ssl
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pocketkube.base import logs, reuseport, tasks

log = logging.getLogger("balancer")

CONNECT_SECONDS = 2.0
CHECK_SECONDS = 1.0  # between looks at a server's readiness
LATE_SECONDS = 1.0  # a server whose readiness answer takes longer gets no new connection until it comes
ANSWER_SECONDS = 3.0  # a readiness answer that takes longer counts as none
HIGH_WATER = 1 << 18  # bytes waiting for a slow reader before its sender is paused


@dataclass(eq=False)
class Server:
    """One API server. `ready` until proved otherwise, so that a start needs no wait."""

    host: str
    port: int
    ready: bool = True
    late: bool = False  # with the answer to whether it is ready
    pairs: set[Side] = field(default_factory=set)

    def is_late(self) -> None:
        self.late = True

    def mark(self, ready: bool) -> None:
        self.late = False
        if ready != self.ready:
            log.log(
                logging.INFO if ready else logging.WARNING,
                "%s:%d is %s",
                self.host,
                self.port,
                "ready" if ready else "not ready",
            )
        self.ready = ready
        if not ready:
            for side in list(self.pairs):
                side.abort()


class Side(asyncio.Protocol):
    """One end of a connection that passes through. What comes in goes to `peer`; a peer that cannot keep up pauses us."""

    def __init__(self, peer: Side | None = None) -> None:
        self.peer = peer
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.closed = asyncio.Event()
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)

    def join(self, peer: Side) -> None:
        """From now on bytes pass; those that came before go first."""
        self.peer = peer
        assert peer.transport
        for data in self._early:
            peer.transport.write(data)
        self._early = []
        if self.transport:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)
        else:
            self._early.append(data)
            assert self.transport
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Half a connection may end while the other half goes on; with both ended it is over."""
        self.ended = True
        peer = self.peer
        if peer is None or peer.transport is None or peer.ended or not peer.transport.can_write_eof():
            return False
        with contextlib.suppress(OSError):
            peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Balancer:
    def __init__(self, servers: list[Server]):
        self.servers = servers
        self.answered = asyncio.Event()  # some server has said that it is ready
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = (
            False  # asked for readiness only: nothing secret goes there, nothing is believed but that
        )
        self._context.verify_mode = ssl.CERT_NONE

    def candidates(self) -> list[Server]:
        """In the order to try: ready ones first, of them those that answer in time, the least used first. Any is better than none."""
        return sorted(self.servers, key=lambda s: (not s.ready, s.late, len(s.pairs)))

    def accept(self) -> Side:
        return _Client(self)

    async def connect(self, client: Side) -> None:
        """Find a server for a client, or hang up."""
        loop = asyncio.get_running_loop()
        for server in self.candidates():
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, side = await loop.create_connection(lambda: Side(client), server.host, server.port)
            except OSError as error:
                log.info("%s:%d does not take a connection: %s", server.host, server.port, error)
                server.mark(False)
                continue
            server.pairs.add(side)
            if client.closed.is_set():
                side.abort()
            else:
                client.join(side)
            await side.closed.wait()
            server.pairs.discard(side)
            return
        client.abort()

    def _none_ready(self) -> bool:
        return not any(s.ready for s in self.servers)

    async def watch(self, server: Server) -> None:
        """Ask a server over one kept connection whether it is ready, again and again."""
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=self._context)
            except OSError:
                server.mark(False)
                await asyncio.sleep(CHECK_SECONDS / 4 if self._none_ready() else CHECK_SECONDS)
                continue
            try:
                while True:
                    late = asyncio.get_running_loop().call_later(LATE_SECONDS, server.is_late)
                    try:
                        server.mark(await _ready(reader, writer))
                    finally:
                        late.cancel()
                    if server.ready:
                        self.answered.set()
                    await asyncio.sleep(CHECK_SECONDS)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                server.mark(False)
            finally:
                writer.close()
            await asyncio.sleep(CHECK_SECONDS / 10)


class _Client(Side):
    """The client's end of a connection: made by accepting, and then in need of a server."""

    def __init__(self, balancer: Balancer):
        super().__init__()
        self._balancer = balancer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        tasks.spawn("connect", self._balancer.connect(self))


async def _ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request on a kept connection. Raises OSError (TimeoutError is one), IncompleteReadError, ValueError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: balancer\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
    return head.split(b" ", 2)[1] == b"200"


def read(path: Path) -> list[tuple[str, int]]:
    """(address, port) of every server that the file names."""
    found = (line.strip().rpartition(":") for line in path.read_text().splitlines() if line.strip())
    return [(host, int(port)) for host, _, port in found]


class Watching:
    """A balancer's servers, each with the task that looks after it, as the file names them."""

    def __init__(self, balancer: Balancer, path: Path):
        self._balancer = balancer
        self._path = path
        self._tasks: dict[Server, asyncio.Task[None]] = {}

    def reread(self) -> None:
        try:
            wanted = read(self._path)
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, its servers stay as they are: %s", self._path, error)
            return
        here = {(s.host, s.port): s for s in self._balancer.servers}
        for address, server in here.items():
            if address not in wanted:
                log.info("%s:%d is given no more connections", *address)
                self._tasks.pop(server).cancel()
        self._balancer.servers = [here.get(address) or self._begin(*address) for address in wanted]

    def _begin(self, host: str, port: int) -> Server:
        server = Server(host, port)
        self._tasks[server] = tasks.spawn(f"watch {port}", self._balancer.watch(server))
        log.info("%s:%d is watched", host, port)
        return server

    async def end(self) -> None:
        await tasks.cancel(*self._tasks.values())


async def run(listen: str, backends: Path, stop: asyncio.Event) -> None:
    balancer = Balancer([])
    watching = Watching(balancer, backends)
    watching.reread()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, watching.reread)
    try:
        await tasks.run_tasks({"serving": _serve(balancer, listen)}, stop=stop)
    finally:
        await watching.end()


async def _serve(balancer: Balancer, listen: str) -> None:
    await balancer.answered.wait()  # a client that is refused tries again, one that is accepted and dropped may not
    host, _, port = listen.rpartition(":")
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(balancer.accept, host, int(port), backlog=512, reuse_port=True)
    log.info("serving %s", listen)
    try:
        await asyncio.Event().wait()  # cancelled at the end
    finally:
        listener.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="balancer", description=__doc__, allow_abbrev=False)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--backends", required=True, type=Path, metavar="FILE", help="a server a line, ADDRESS:PORT")
    args = parser.parse_args(argv)
    logs.setup("info")
    reuseport.keep_waiting()
    return tasks.main(lambda stop: run(args.listen, args.backends, stop))


if __name__ == "__main__":
    sys.exit(main())
