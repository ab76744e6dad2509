"""Processes by pid and start time, so that a reused pid is never mistaken for ours, and the supervisor's state file."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """`started` is the start time in clock ticks since boot, from /proc/PID/stat."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """None for a process that is gone or a zombie."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float | None) -> bool:
        """True once it has ended; False if it still runs after `seconds` (None: as long as it takes)."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive():
                return True
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(None if seconds is None else seconds * 1000))
        finally:
            os.close(fd)


def reap(pid: int, *, wait: bool = False) -> str:
    """How a process ended, in words; "gone" if it was no child of ours."""
    try:
        _, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    except ChildProcessError:
        return "gone"
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def read_state(path: Path) -> dict[str, Any]:
    """The supervisor's last word; {} where there is none."""
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state


def write_state(path: Path, state: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(state))
    part.rename(path)


def supervisor_of(path: Path) -> Identity | None:
    """The running supervisor of a cluster, by its state file."""
    found = read_state(path).get("supervisor")
    if not found:
        return None
    identity = Identity(*found)
    return identity if identity.alive() else None


def remove_stale(pid_file: Path) -> None:
    """Remove a pid file whose process has ended, be it not reaped yet."""
    try:
        pid = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    if Identity.of(pid) is None:
        pid_file.unlink(missing_ok=True)


def port_holder(port: int) -> str:
    """Who listens on a TCP port of this machine: "nginx (pid 12)", "another program", or "" if nobody does."""
    inodes = _listeners(port)
    if not inodes:
        return ""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for fd in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(fd.path).removeprefix("socket:[").removesuffix("]") in inodes:
                    return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
    return "another program"


def listens(pid: int, port: int) -> bool:
    """Whether a process listens on a TCP port; several may share one."""
    try:
        open_sockets = {os.readlink(fd.path) for fd in os.scandir(f"/proc/{pid}/fd")}
    except OSError:
        return False
    return any(f"socket:[{inode}]" in open_sockets for inode in _listeners(port))


def listening() -> set[int]:
    """All TCP ports of this machine that somebody listens on."""
    return {port for port, _ in _sockets()}


def _listeners(port: int) -> set[str]:
    return {inode for found, inode in _sockets() if found == port}


def _sockets() -> Iterator[tuple[int, str]]:
    """(port, inode) of every listening TCP socket."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as file:
            next(file)
            for line in file:
                fields = line.split()
                if fields[3] == "0A":
                    yield int(fields[1].rsplit(":", 1)[1], 16), fields[9]
