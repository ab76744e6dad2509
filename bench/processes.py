"""What a server's processes have cost so far: CPU seconds by their clocks, and resident memory out of /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

_SCHEDULED = 2  # of a clock of a process: what the scheduler counts, finer than the ticks in /proc


class Processes:
    """Some processes and all their living descendants."""

    def __init__(self, roots: Iterable[int]):
        self._roots = tuple(roots)

    def cpu(self) -> float:
        """Seconds, user and system; 0.0 without processes."""
        return sum(self._cpu_of(pid) for pid in self._family())

    def resident(self) -> float:
        """MiB."""
        return sum(self._resident_of(pid) for pid in self._family())

    def _family(self) -> set[int]:
        parents = {}
        for entry in os.listdir("/proc") if self._roots else ():
            if entry.isdigit():
                fields = _stat(int(entry))
                if fields:
                    parents[int(entry)] = int(fields[1])
        family = {pid for pid in self._roots if pid in parents}
        grown = True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in family} - family
            family |= more
            grown = bool(more)
        return family

    @staticmethod
    def _cpu_of(pid: int) -> float:
        try:
            return time.clock_gettime(~pid << 3 | _SCHEDULED)  # the clock that clock_getcpuclockid(3) names
        except OSError:  # it has ended
            return 0.0

    @staticmethod
    def _resident_of(pid: int) -> float:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name; [] for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
