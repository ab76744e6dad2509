"""What this machine is: memory, disk, processes, names, as /proc, /sys and the file systems say."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes and inodes of a file system."""

    capacity: int
    available: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `available` is what can be had without swapping, `anonymous` what no file backs. Page faults since the boot."""

    total: int
    available: int
    anonymous: int = 0
    swap_total: int = 0
    swap_free: int = 0
    faults: int = 0
    major_faults: int = 0


def architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def cores() -> int:
    return os.cpu_count() or 1


def memory() -> Memory:
    fields: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) * 1024
    events = dict(
        line.split() for line in text("/proc/vmstat").splitlines() if line.startswith(("pgfault ", "pgmajfault "))
    )
    return Memory(
        fields["MemTotal"],
        fields.get("MemAvailable", fields.get("MemFree", 0)),
        anonymous=fields.get("AnonPages", 0),
        swap_total=fields.get("SwapTotal", 0),
        swap_free=fields.get("SwapFree", 0),
        faults=int(events.get("pgfault", 0)),
        major_faults=int(events.get("pgmajfault", 0)),
    )


def disk(path: Path) -> Disk:
    """Of the file system that holds the path, or the nearest parent that exists."""
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    size = found.f_frsize
    return Disk(found.f_blocks * size, found.f_bavail * size, found.f_files, found.f_favail)


def processes() -> tuple[int, int]:
    """(running, highest possible)"""
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    running = Path("/proc/loadavg").read_text().split()[3].split("/")[1]
    return int(running), limit


def text(path: str) -> str:
    """A one-line file of the system, "" if there is none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def os_image() -> str:
    for line in text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def default_address() -> str:
    """The IPv4 address of this host towards its default route; loopback without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the kernel only picks the route
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
