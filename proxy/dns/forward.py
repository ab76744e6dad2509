"""Names of the world outside: asked of this host's own resolvers, one after the other, with a small cache."""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from collections import OrderedDict
from pathlib import Path

from pocketkube.base.clock import Clock

log = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds for one resolver
CACHED = 10_000  # answers
LONGEST = 30.0  # seconds that an answer is kept


def resolvers(path: Path = Path("/etc/resolv.conf"), *, exclude: frozenset[str] = frozenset()) -> list[str]:
    """The host's name servers, IPv4, without ourselves: asking oneself would never end."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    found = [words[1] for line in lines if len(words := line.split()) > 1 and words[0] == "nameserver"]
    return [ip for ip in found if ":" not in ip and ip not in exclude]


class Forwarder:
    """Raw messages in, raw messages out; the identifier is replaced on the way."""

    def __init__(self, servers: list[str], clock: Clock):
        self._servers, self._clock = servers, clock
        self._cache: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    async def ask(self, query: bytes, *, tcp: bool = False) -> bytes | None:
        """The answer, or None if no resolver gave one."""
        key = bytes(query[2:])
        known = self._cache.get(key)
        if known and known[0] > self._clock.monotonic() and not tcp:
            return query[:2] + known[1]
        for server in self._servers:
            try:
                answer = await asyncio.wait_for(_tcp(server, query) if tcp else _udp(server, query), TIMEOUT)
            except (OSError, TimeoutError, EOFError):
                continue
            if not tcp:
                self._keep(key, answer)
            return query[:2] + answer[2:]
        return None

    def _keep(self, key: bytes, answer: bytes) -> None:
        truncated, failed = answer[2] & 2, answer[3] & 15 not in (0, 3)
        if truncated or failed:
            return
        self._cache[key] = (self._clock.monotonic() + LONGEST, answer[2:])
        if len(self._cache) > CACHED:
            self._cache.popitem(last=False)


class _Once(asyncio.DatagramProtocol):
    def __init__(self, identifier: bytes, done: asyncio.Future[bytes]):
        self._identifier, self._done = identifier, done

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._identifier and len(data) >= 12 and not self._done.done():
            self._done.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(exc)


async def _udp(server: str, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    identifier = struct.pack(">H", random.randrange(1 << 16))
    done: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Once(identifier, done), remote_addr=(server, 53))
    try:
        transport.sendto(identifier + query[2:])
        return await done
    finally:
        transport.close()


async def _tcp(server: str, query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server, 53)
    try:
        writer.write(struct.pack(">H", len(query)) + query)
        size = struct.unpack(">H", await reader.readexactly(2))[0]
        return await reader.readexactly(size)
    finally:
        writer.close()
