"""The cluster's DNS on this node, over UDP and TCP: questions about the cluster are answered here, others forwarded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from typing import Any

from dnslib import (
    AAAA,
    CLASS,
    CNAME,
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSError,
    DNSHeader,
    DNSQuestion,
    DNSRecord,
)

from pocketkube.base import tasks
from proxy.dns import records
from proxy.dns.forward import Forwarder
from proxy.dns.records import Answer, Record, View

log = logging.getLogger(__name__)

UDP_LIMIT = 512  # bytes of an answer to a client that did not say more (EDNS)
MOST_CNAMES = 8


class Resolver:
    """Bytes in, bytes out."""

    def __init__(self, view: View, forwarder: Forwarder):
        self._view, self._forwarder = view, forwarder

    async def answer(self, data: bytes, *, tcp: bool) -> bytes | None:
        """The reply to one message; None for what is no question and deserves none."""
        try:
            query = DNSRecord.parse(data)
        except Exception:  # the codec raises many kinds on malformed input
            return _failure(data, RCODE.FORMERR) if len(data) >= 12 else None
        if query.header.qr or len(query.questions) != 1:
            return None if query.header.qr else _failure(data, RCODE.FORMERR)
        question = query.q
        name, kind = str(question.qname).rstrip(".").lower(), _kind(question)
        found = self._own(name, kind)
        if found is None:
            return await self._forwarder.ask(data, tcp=tcp) or _failure(data, RCODE.SERVFAIL)
        reply = await self._reply(query, found, kind=kind, asked=name)
        return _packed(reply, query, tcp=tcp)

    def _own(self, name: str, kind: str) -> Answer | None:
        if records.is_ours(name, self._view):
            return records.resolve(name, kind, self._view)
        if name.endswith(".in-addr.arpa"):
            parts = name.removesuffix(".in-addr.arpa").split(".")
            if len(parts) == 4:
                found = records.reverse(".".join(reversed(parts)), self._view)
                return found if found.exists else None
        return None

    async def _reply(self, query: DNSRecord, found: Answer, *, kind: str, asked: str) -> DNSRecord:
        header = DNSHeader(id=query.header.id, qr=1, aa=1, ra=1, rd=query.header.rd)
        reply = DNSRecord(header, q=query.q)
        reply.header.rcode = RCODE.NOERROR if found.exists else RCODE.NXDOMAIN
        for record in found.records:
            reply.add_answer(_rr(record))
            if record.type == "CNAME" and kind in ("A", "AAAA"):
                await self._follow(reply, record.data, kind)
        for record in found.additional:
            reply.add_ar(_rr(record))
        if not found.records:
            reply.add_auth(_soa(self._view.domain if records.is_ours(asked, self._view) else asked))
        return reply

    async def _follow(self, reply: DNSRecord, target: str, kind: str) -> None:
        """An ExternalName: add what its target resolves to, so that the client need not ask again."""
        for _ in range(MOST_CNAMES):
            own = self._own(target.lower(), kind)
            if own is None:
                break
            for record in own.records:
                reply.add_answer(_rr(record))
            following = [r.data for r in own.records if r.type == "CNAME"]
            if not following:
                return
            target = following[0]
        data = await self._forwarder.ask(DNSRecord.question(target, kind).pack())
        if data:
            with contextlib.suppress(Exception):  # a malformed answer from outside only costs the extra records
                for rr in DNSRecord.parse(data).rr:
                    reply.add_answer(rr)


def _kind(question: DNSQuestion) -> str:
    try:
        return str(QTYPE[question.qtype])
    except DNSError:  # a type that the codec has no name for
        return "UNKNOWN"


def _rr(record: Record) -> RR:
    make: Any = {"A": A, "AAAA": AAAA, "CNAME": CNAME, "PTR": PTR, "TXT": TXT}.get(record.type)
    data = SRV(*record.data) if record.type == "SRV" else make(record.data)
    return RR(record.name, getattr(QTYPE, record.type), rdata=data, ttl=record.ttl)


def _soa(zone: str) -> RR:
    times = (1, 7200, 1800, 86400, records.TTL)
    return RR(zone, QTYPE.SOA, CLASS.IN, records.TTL, SOA(f"ns.dns.{zone}", f"hostmaster.{zone}", times))


def _failure(data: bytes, code: int) -> bytes:
    """A bare reply with the question's identifier."""
    return bytes(data[:2]) + bytes([0x80 | (data[2] & 0x79), 0x80 | code]) + b"\0\0" * 4


def _packed(reply: DNSRecord, query: DNSRecord, *, tcp: bool) -> bytes:
    data = bytes(reply.pack())
    limit = max([UDP_LIMIT, *[int(r.rclass) for r in query.ar if r.rtype == QTYPE.OPT]])
    if tcp or len(data) <= limit:
        return data
    return bytes(reply.truncate().pack())


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver):
        self._resolver = resolver
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's class is no subclass of asyncio's

    def datagram_received(self, data: bytes, addr: Any) -> None:
        tasks.spawn("dns answer", self._answer(data, addr))

    async def _answer(self, data: bytes, addr: Any) -> None:
        reply = await self._resolver.answer(data, tcp=False)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


async def _serve_tcp(resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            size = struct.unpack(">H", await asyncio.wait_for(reader.readexactly(2), 30))[0]
            reply = await resolver.answer(await asyncio.wait_for(reader.readexactly(size), 30), tcp=True)
            if reply is None:
                return
            writer.write(struct.pack(">H", len(reply)) + reply)
            await writer.drain()
    except (OSError, TimeoutError, EOFError):
        return
    finally:
        writer.close()


async def serve(resolver: Resolver, *, host: str, port: int = 53) -> None:
    """Listen on both transports until cancelled. Raises OSError if the address is not ours or taken."""
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(resolver), local_addr=(host, port))
    tcp = await asyncio.start_server(lambda r, w: _serve_tcp(resolver, r, w), host, port)
    log.info("DNS answers on %s:%d", host, port)
    try:
        await asyncio.Event().wait()
    finally:
        udp.close()
        tcp.close()
