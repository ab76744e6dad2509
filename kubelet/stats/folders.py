"""What folders take on their disk. Walking one is slow, so what was found is kept for a minute."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pocketkube.base.clock import Clock

KEPT_SECONDS = 60.0
MAX_KEPT = 10_000  # folders


class Size(NamedTuple):
    """Bytes on the disk, and inodes."""

    bytes: int = 0
    inodes: int = 0

    @staticmethod
    def total(sizes: Iterable[Size]) -> Size:
        found = list(sizes)
        return Size(sum(s.bytes for s in found), sum(s.inodes for s in found))


class FolderSizes:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Path, tuple[float, Size]] = {}

    async def of(self, path: Path, *, newer_than: float = KEPT_SECONDS) -> Size:
        """Of a folder or file and all below it, at most `newer_than` seconds old; nothing if it is not there."""
        now = self._clock.monotonic()
        when, size = self._kept.get(path, (-KEPT_SECONDS, Size()))
        if path not in self._kept or now - when >= newer_than:
            size = await asyncio.to_thread(measure, path)
            self._keep(path, now, size)
        return size

    def _keep(self, path: Path, now: float, size: Size) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept = {p: k for p, k in self._kept.items() if now - k[0] < KEPT_SECONDS}
        self._kept[path] = now, size


def measure(path: Path) -> Size:
    """Blocking. What goes while it is measured, and what lies on other file systems, does not count."""
    try:
        top = path.lstat()
    except OSError:
        return Size()
    blocks, inodes, folders = top.st_blocks, 1, [str(path)] if path.is_dir() else []
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if found.st_dev == top.st_dev:
                        blocks, inodes = blocks + found.st_blocks, inodes + 1
                        folders += [entry.path] if entry.is_dir(follow_symlinks=False) else []
        except OSError:
            continue
    return Size(blocks * 512, inodes)
