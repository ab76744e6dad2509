"""Userspace: for hosts without nftables. Service addresses are put on the loopback device and connections are copied by hand.

Slower, and endpoints see this host's address instead of the client's; otherwise the same promise.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Iterator

from proxy.backends import Backend, BackendError, Host, Table
from proxy.model import Endpoint, ServicePort

log = logging.getLogger(__name__)

CHUNK = 1 << 16
UDP_IDLE = 60.0  # seconds after which a client's flow is forgotten

Address = tuple[str, int, str]  # ip ("" for this host's own), port, protocol


class Balancer:
    """Takes endpoints in turn; a client with affinity meets the one it met before."""

    def __init__(self) -> None:
        self.port: ServicePort | None = None
        self.endpoints: tuple[Endpoint, ...] = ()
        self._turn: Iterator[int] = itertools.count()
        self._known: dict[str, tuple[Endpoint, float]] = {}

    def pick(self, client: str) -> Endpoint | None:
        if not self.endpoints or self.port is None:
            return None
        now, keep = time.monotonic(), self.port.affinity_seconds
        known = self._known.get(client) if keep else None
        if known and known[0] in self.endpoints and now - known[1] < keep:
            chosen = known[0]
        else:
            chosen = self.endpoints[next(self._turn) % len(self.endpoints)]
        if keep:
            self._known[client] = (chosen, now)
        return chosen


class Userspace:
    """One listener an address and port; a change of endpoints only changes its balancer."""

    def __init__(self, host: Host):
        self._host = host
        self._wanted: dict[str, list[tuple[Address, ServicePort, tuple[Endpoint, ...]]]] = {}
        self._open: dict[Address, tuple[Balancer, asyncio.AbstractServer | asyncio.DatagramTransport]] = {}
        self._ips: set[str] = set()

    async def apply(self, changed: Table, *, everything: bool) -> None:
        if everything:
            self._wanted = {}
        for key, ports in changed.items():
            self._wanted[key] = [row for port in ports for row in _addresses(port)]
        rows = {address: (port, ends) for group in self._wanted.values() for address, port, ends in group}
        for address in self._open.keys() - rows.keys():
            self._open.pop(address)[1].close()
        await self._ensure_ips({a[0] for a in rows if a[0]})
        for address, (port, ends) in rows.items():
            if address not in self._open:
                self._open[address] = await self._listen(address)
            balancer = self._open[address][0]
            balancer.port, balancer.endpoints = port, ends

    async def _listen(self, address: Address) -> tuple[Balancer, asyncio.AbstractServer | asyncio.DatagramTransport]:
        ip, port, protocol = address
        balancer = Balancer()
        loop = asyncio.get_running_loop()
        try:
            if protocol == "UDP":
                made, _ = await loop.create_datagram_endpoint(
                    lambda: _Udp(balancer), local_addr=(ip or "0.0.0.0", port)
                )
                return balancer, made
            return balancer, await asyncio.start_server(lambda r, w: _serve(balancer, r, w), ip or "0.0.0.0", port)
        except OSError as error:
            raise BackendError(f"cannot listen on {ip or '*'}:{port}/{protocol}: {error}") from error

    async def _ensure_ips(self, wanted: set[str]) -> None:
        for ip in wanted - self._ips:
            await _ip("addr", "replace", f"{ip}/32", "dev", "lo")
        for ip in self._ips - wanted:
            await _ip("addr", "del", f"{ip}/32", "dev", "lo")
        self._ips = wanted

    async def close(self) -> None:
        for _, server in self._open.values():
            server.close()
        self._open.clear()

    async def cleanup(self) -> None:
        await self._ensure_ips(set())


def _addresses(port: ServicePort) -> Iterator[tuple[Address, ServicePort, tuple[Endpoint, ...]]]:
    for ip in port.cluster_ips:
        yield (ip, port.port, port.protocol), port, port.endpoints
    for ip in port.external_ips:
        yield (ip, port.port, port.protocol), port, port.external_endpoints
    if port.node_port:
        yield ("", port.node_port, port.protocol), port, port.external_endpoints


async def _serve(balancer: Balancer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One client's connection: the first endpoint that answers gets it."""
    client = writer.get_extra_info("peername")[0]
    for _ in range(max(1, len(balancer.endpoints))):
        endpoint = balancer.pick(client)
        if endpoint is None:
            break
        try:
            back, forth = await asyncio.wait_for(asyncio.open_connection(endpoint.ip, endpoint.port), 5)
        except (OSError, TimeoutError):
            continue
        await asyncio.gather(_copy(reader, forth), _copy(back, writer))
        return
    writer.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
    except OSError:
        target.transport.abort()


class _Udp(asyncio.DatagramProtocol):
    """A flow for each client, forgotten when idle."""

    def __init__(self, balancer: Balancer):
        self._balancer = balancer
        self._flows: dict[tuple[str, int], tuple[asyncio.Task[asyncio.DatagramTransport], float]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = time.monotonic()
        for client, (task, last) in list(self._flows.items()):
            if now - last > UDP_IDLE and task.done() and not task.cancelled() and not task.exception():
                task.result().close()
                del self._flows[client]
        known = self._flows.get(addr)
        task = known[0] if known else asyncio.create_task(self._flow(addr), name="udp flow")
        self._flows[addr] = (task, now)
        task.add_done_callback(lambda t: _send(t, data))

    async def _flow(self, client: tuple[str, int]) -> asyncio.DatagramTransport:
        endpoint = self._balancer.pick(client[0])
        if endpoint is None:
            raise OSError("no endpoint")
        loop = asyncio.get_running_loop()
        made, _ = await loop.create_datagram_endpoint(
            lambda: _Answers(self, client), remote_addr=(endpoint.ip, endpoint.port)
        )
        return made

    def answer(self, client: tuple[str, int], data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data, client)


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, owner: _Udp, client: tuple[str, int]):
        self._owner, self._client = owner, client

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._owner.answer(self._client, data)


def _send(flow: asyncio.Task[asyncio.DatagramTransport], data: bytes) -> None:
    if not flow.cancelled() and flow.exception() is None:
        flow.result().sendto(data)


async def _ip(*words: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", *words, stderr=asyncio.subprocess.DEVNULL)
    await process.wait()


def build(host: Host) -> Backend:
    return Userspace(host)


BACKEND = build
