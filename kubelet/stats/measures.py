"""Figures of the whole machine, of one process and of one network namespace, as /proc tells them, in the words of a Summary."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kubelet.node import machine

Obj = dict[str, Any]

TICK_NANOS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
RECEIVED, SENT = 0, 8  # columns of /proc/net/dev: bytes; errors stand two further on


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """CPU nanoseconds since its start, resident bytes, page faults, and its start in Unix seconds."""

    cpu_nanos: int
    rss: int
    faults: int
    major_faults: int
    started: float


@cache
def boot_time() -> float:
    """Unix seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return time.time()


def machine_cpu_nanos() -> int:
    """Of all cores, without what they waited."""
    fields = [int(v) for v in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) * TICK_NANOS


def process(pid: int) -> ProcessFigures | None:
    """None if there is no such process."""
    text = machine.text(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text.rpartition(")")[2].split()  # a name may hold spaces and brackets
    return ProcessFigures(
        cpu_nanos=(int(fields[11]) + int(fields[12])) * TICK_NANOS,
        rss=int(fields[21]) * PAGE,
        faults=int(fields[7]),
        major_faults=int(fields[9]),
        started=boot_time() + int(fields[19]) * TICK_NANOS / 1e9,
    )


def disk(found: machine.Disk) -> Obj:
    """An FsStats without its time."""
    return {
        "availableBytes": found.available, "capacityBytes": found.capacity,
        "usedBytes": found.capacity - found.available, "inodesFree": found.inodes_free, "inodes": found.inodes,
        "inodesUsed": found.inodes - found.inodes_free,
    }  # fmt: skip


def interfaces(pid: int | str = "self") -> list[Obj]:
    """The network interfaces that a process sees, but for loopback; none if the process has gone."""
    found = []
    for line in machine.text(f"/proc/{pid}/net/dev").splitlines()[2:]:
        name, _, figures = line.partition(":")
        columns = [int(v) for v in figures.split()]
        if name.strip() != "lo" and len(columns) > SENT + 2:
            found.append(
                {
                    "name": name.strip(),
                    "rxBytes": columns[RECEIVED], "rxErrors": columns[RECEIVED + 2],
                    "txBytes": columns[SENT], "txErrors": columns[SENT + 2],
                }
            )  # fmt: skip
    return found


def default_interface() -> str:
    """Through which this host reaches others; "" without a default route."""
    for line in machine.text("/proc/net/route").splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            return fields[0]
    return ""
