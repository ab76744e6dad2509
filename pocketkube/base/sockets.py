"""What sockets of long connections need: a peer that vanished without a word is found."""

from __future__ import annotations

import socket


def probe_when_idle(sock: socket.socket | None) -> None:
    """TCP keep-alive: a peer that vanished is found within about a minute."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    ):
        sock.setsockopt(level, option, value)
