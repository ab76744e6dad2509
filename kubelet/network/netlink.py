"""Links, addresses and routes by rtnetlink: one kernel round trip each, no subprocess. Blocking, microseconds to milliseconds."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Interface

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 17, 18, 19, 20, 24
REQUEST, ACK, REPLACE, EXCLUSIVE, CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
NLMSG_ERROR = 2
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_PROTINFO, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 10, 12, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER, IFLA_BRPORT_MODE = 1, 2, 1, 4
NESTED = 0x8000
IFF_UP = 1
CLONE_NEWNET = 0x40000000


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _name(text: str) -> bytes:
    return _attribute(IFLA_IFNAME, text.encode() + b"\0")


def _link(index: int = 0, *, up: bool = False, family: int = 0) -> bytes:
    return struct.pack("<BxHiII", family, 0, index, IFF_UP if up else 0, IFF_UP if up else 0)


class Netlink:
    """A connection to the network namespace that the calling thread was in when it was made. Errors are OSError with errno."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def _ask(self, kind: int, flags: int, body: bytes) -> bytes:
        """Send one request; return the body of the answer, b"" for a bare acknowledgement."""
        self._sequence += 1
        self._socket.send(struct.pack("<IHHII", 16 + len(body), kind, flags | REQUEST, self._sequence, 0) + body)
        answer = b""
        for _ in range(64):
            data = self._socket.recv(65536)
            while len(data) >= 16:
                length, found, _, sequence, _ = struct.unpack_from("<IHHII", data)
                payload, data = data[16:length], data[(length + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if found == NLMSG_ERROR:
                    code = -struct.unpack_from("<i", payload)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answer
                answer = payload
        raise OSError("netlink gave no acknowledgement")

    def index(self, name: str) -> int:
        """The interface's index, 0 if there is none."""
        try:
            answer = self._ask(RTM_GETLINK, ACK, _link() + _name(name))
        except OSError:
            return 0
        return int(struct.unpack_from("<i", answer, 4)[0]) if answer else 0

    def add_bridge(self, name: str, *, mac: bytes, mtu: int) -> None:
        info = _attribute(IFLA_LINKINFO | NESTED, _attribute(IFLA_INFO_KIND, b"bridge\0"))
        body = (
            _link() + _name(name) + _attribute(IFLA_ADDRESS, mac) + _attribute(IFLA_MTU, struct.pack("<I", mtu)) + info
        )
        self._ask(RTM_NEWLINK, ACK | CREATE | EXCLUSIVE, body)

    def add_veth(self, name: str, *, peer: str, netns: int, master: int, mtu: int) -> None:
        """A pair: `name` here, up and on the bridge `master`; `peer` in the namespace of the file descriptor `netns`."""
        size = _attribute(IFLA_MTU, struct.pack("<I", mtu))
        other = _link() + _name(peer) + size + _attribute(IFLA_NET_NS_FD, struct.pack("<i", netns))
        data = _attribute(IFLA_INFO_DATA | NESTED, _attribute(VETH_INFO_PEER | NESTED, other))
        info = _attribute(IFLA_LINKINFO | NESTED, _attribute(IFLA_INFO_KIND, b"veth\0") + data)
        body = _link(up=True) + _name(name) + size + _attribute(IFLA_MASTER, struct.pack("<I", master)) + info
        self._ask(RTM_NEWLINK, ACK | CREATE | EXCLUSIVE, body)

    def set_hairpin(self, index: int) -> None:
        """Let a bridge port send frames back where they came from: a pod reaches itself by its service address."""
        mode = _attribute(IFLA_PROTINFO | NESTED, _attribute(IFLA_BRPORT_MODE, b"\1"))
        self._ask(RTM_SETLINK, ACK, _link(index, family=socket.AF_BRIDGE) + mode)

    def set_up(self, index: int) -> None:
        self._ask(RTM_NEWLINK, ACK, _link(index, up=True))

    def delete_link(self, index: int) -> None:
        self._ask(RTM_DELLINK, ACK, _link(index))

    def add_address(self, index: int, address: IPv4Interface) -> None:
        value = address.ip.packed
        body = struct.pack("<BBBBI", socket.AF_INET, address.network.prefixlen, 0, 0, index)
        body += _attribute(2, value) + _attribute(1, value) + _attribute(4, address.network.broadcast_address.packed)
        self._ask(RTM_NEWADDR, ACK | CREATE | REPLACE, body)

    def add_default_route(self, index: int, gateway: bytes) -> None:
        body = struct.pack("<BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 3, 0, 1, 0)
        self._ask(
            RTM_NEWROUTE,
            ACK | CREATE | REPLACE,
            body + _attribute(5, gateway) + _attribute(4, struct.pack("<I", index)),
        )


_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextlib.contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Sockets that this thread makes in the block belong to the network namespace of the file descriptor."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)
