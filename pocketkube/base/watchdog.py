"""Signs of life, by systemd's protocol: a supervised process says so on a socket, again and again, from its event loop. One that hangs
(stopped, stuck in a call, out of its loop) still has its ports, and its kernel goes on accepting for it: only its silence tells.

    keeper: `Listener` at a path, its `environment` given to each process, `heard()` whenever the socket can be read
    process: `beat_from(loop)`, in `tasks.main`
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # keepers do without it
    import asyncio

ALIVE = b"WATCHDOG=1"
READY = b"READY=1"
_CREDENTIALS = struct.Struct("=iII")  # pid, uid, gid of a sender, as the kernel tells
_LONGEST_PATH = 107  # bytes of a socket's path
_LATE = 2.0  # seconds by which a keeper may miss its own look
_LONGEST_WAIT = 3600.0


class Beating:
    """Tells the keeper named in the environment; without one it does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ):
        self._path = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.seconds = int(microseconds) / 4e6 if self._path and microseconds.isdigit() and meant else 0.0

    def beat(self) -> None:
        if self.seconds:
            self._tell(ALIVE)

    def ready(self) -> None:
        """This process does now what it is for."""
        if self._path:
            self._tell(READY)

    def _tell(self, text: bytes) -> None:
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out,
            contextlib.suppress(OSError),
        ):
            out.sendto(text, address)  # fails while the keeper is being replaced, or has more to read than it can


def beat_from(loop: asyncio.AbstractEventLoop) -> None:
    """From now on this loop tells that it turns."""
    beating = Beating()

    def again() -> None:
        beating.beat()
        loop.call_later(beating.seconds, again)

    if beating.seconds:
        again()


class Listener:
    """The keeper's end. A process counts as watched from its first sign of life on, or from `expect`."""

    def __init__(self, path: Path):
        """Raises OSError where no socket can be."""
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise OSError(f"{path} is too long for a socket")
        self._path = path
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.socket.bind(str(path))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.ready: set[int] = set()  # the pids that said so
        self._last: dict[int, float] = {}  # by pid: monotonic time
        self._due = math.inf  # when the keeper meant to look

    def environment(self, seconds: float) -> dict[str, str]:
        """What tells a process where its keeper listens, and after how long it takes silence for a hang."""
        return {"NOTIFY_SOCKET": str(self._path), "WATCHDOG_USEC": str(int(seconds * 1e6))}

    def heard(self) -> None:
        """Take in all that was said."""
        with contextlib.suppress(BlockingIOError):
            while True:
                text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
                for level, kind, data in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                        self._said(_CREDENTIALS.unpack(data)[0], text.splitlines())

    def _said(self, pid: int, lines: list[bytes]) -> None:
        if ALIVE in lines:
            self._last[pid] = time.monotonic()
        if READY in lines:
            self.ready.add(pid)

    def expect(self, pid: int) -> None:
        self._last[pid] = time.monotonic()

    def forget(self, pid: int) -> None:
        self._last.pop(pid, None)
        self.ready.discard(pid)

    def silent(self, limits: Mapping[int, float]) -> list[int]:
        """The pids that said nothing for longer than their limit in seconds."""
        now = time.monotonic()
        if now > self._due + _LATE:  # the keeper itself was away, and with it perhaps the whole machine
            self._last = dict.fromkeys(self._last, now)
        self.heard()
        return [pid for pid, limit in limits.items() if now - self._last.get(pid, now) > limit]

    def patience(self, limits: Mapping[int, float]) -> float:
        """Seconds until one of them could count as silent; the keeper shall look again by then."""
        due = [self._last[pid] + limit for pid, limit in limits.items() if pid in self._last]
        self._due = min(due, default=math.inf)
        return max(0.05, min(self._due - time.monotonic(), _LONGEST_WAIT))

    def close(self) -> None:
        self.socket.close()
        self._path.unlink(missing_ok=True)
