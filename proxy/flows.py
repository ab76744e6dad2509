"""The kernel's connection tracking over netlink: its flows come in one dump, those that a predicate names are deleted in batches.

The kernel narrows the dump where it can (Linux 5.13: protocol, and TCP to what was never answered), so that a busy host's table is
not carried over; what an older one sends besides meets the same predicate.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Target = tuple[bytes, int]  # packed address, port

NETLINK_NETFILTER = 12
GET, DELETE = 0x101, 0x102  # message types of connection tracking: list, remove
ERROR, DONE = 2, 3
REQUEST, DUMP = 0x1, 0x300
NESTED = 0x8000
TUPLE_ORIGINAL, TUPLE_REPLY, STATUS, PROTOCOL_INFO, ID, ZONE, FILTER, STATUS_MASK = 1, 2, 3, 4, 12, 18, 25, 26
FILTER_ORIGINAL, FILTER_BY_PROTOCOL = 1, 1 << 3
SEEN_REPLY = 1 << 1  # bit of STATUS
SYN_SENT = 1  # of TCP's states
WAIT_SECONDS = 10.0
BATCH = 500  # deletions in one message

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_FAMILY = struct.pack("=BBH", socket.AF_INET, 0, 0)
_ATTRIBUTE = struct.Struct("=HH")  # length with these four bytes, type


class Flow(NamedTuple):
    """A flow as its first packet was addressed, and who answers in its place."""

    protocol: int
    address: bytes
    port: int
    target: Target
    opening: bool  # TCP that waits for the answer to its SYN
    key: bytes  # attributes by which the kernel knows it


def forget(protocols: Iterable[int], is_stale: Callable[[Flow], bool]) -> int:
    """Delete the flows of `protocols` that are stale, and return their number. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.settimeout(WAIT_SECONDS)
        kernel.bind((0, 0))
        keys = [flow.key for protocol in protocols for flow in _flows(kernel, protocol) if is_stale(flow)]
        for start in range(0, len(keys), BATCH):  # done when `send` returns; one that ended meanwhile is no loss
            kernel.send(b"".join(_message(DELETE, REQUEST, key) for key in keys[start : start + BATCH]))
    return len(keys)


def _flows(kernel: socket.socket, protocol: int) -> Iterator[Flow]:
    kernel.send(_message(GET, REQUEST | DUMP, _only(protocol)))
    while True:
        received = memoryview(kernel.recv(1 << 18))
        while received:
            length, kind, _, _, _ = _HEADER.unpack_from(received)
            if kind == DONE:
                return
            if kind == ERROR:
                code = -struct.unpack_from("=i", received, _HEADER.size)[0]
                raise OSError(code, os.strerror(code))
            flow = _flow(received[_HEADER.size + len(_FAMILY) : length])
            if flow is not None and flow.protocol == protocol:
                yield flow
            received = received[_aligned(length) :]


def _only(protocol: int) -> bytes:
    """What the dump is narrowed to."""
    number = _nested(TUPLE_ORIGINAL, _nested(2, _attribute(1, bytes([protocol]))))
    by = _nested(FILTER, _attribute(FILTER_ORIGINAL, struct.pack("=I", FILTER_BY_PROTOCOL)))
    if protocol != socket.IPPROTO_TCP:
        return number + by
    return number + by + _attribute(STATUS, bytes(4)) + _attribute(STATUS_MASK, struct.pack(">I", SEEN_REPLY))


def _flow(data: memoryview) -> Flow | None:
    found = _attributes(data)
    if TUPLE_ORIGINAL not in found or TUPLE_REPLY not in found:
        return None
    _, destination, protocol, port = _tuple(found[TUPLE_ORIGINAL], port=3)
    source, _, _, source_port = _tuple(found[TUPLE_REPLY], port=2)
    state = _attributes(_attributes(found.get(PROTOCOL_INFO, data[:0])).get(1, data[:0])).get(1)
    key = b"".join(
        _attribute(kind | (NESTED if kind == TUPLE_ORIGINAL else 0), bytes(found[kind]))
        for kind in (TUPLE_ORIGINAL, ID, ZONE)
        if kind in found
    )
    return Flow(protocol, destination, port, (source, source_port), state is not None and state[0] == SYN_SENT, key)


def _tuple(data: memoryview, *, port: int) -> tuple[bytes, bytes, int, int]:
    """(source, destination, protocol, port): `port` says which, 2 is the source's and 3 the destination's."""
    found = _attributes(data)
    addresses, protocol = _attributes(found[1]), _attributes(found[2])
    number = int.from_bytes(protocol[port], "big") if port in protocol else 0
    return bytes(addresses[1]), bytes(addresses[2]), protocol[1][0], number


def _attributes(data: memoryview) -> dict[int, memoryview]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return length + 3 & ~3


def _attribute(kind: int, data: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(_aligned(length) - length)


def _nested(kind: int, data: bytes) -> bytes:
    return _attribute(kind | NESTED, data)


def _message(kind: int, flags: int, attributes: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(_FAMILY) + len(attributes), kind, flags, 0, 0) + _FAMILY + attributes
