"""Events as lines of JSON in a file that is rotated by size, or on the standard output.

Several processes may write to one file: each line is one write at its end, and who finds that another has rotated opens anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

BATCH_SECONDS = 0.1
BATCH_LINES = 10_000
_CHECK_SECONDS = 1.0
_DAY = 86_400.0


class LogFile:
    """`-` is the standard output. `megabytes`, `backups`, `days`: how large a file may grow and which old ones stay (0: all)."""

    def __init__(
        self, path: str, *, megabytes: int = 100, backups: int = 0, days: int = 0, now: Callable[[], float] = time.time
    ):
        self.failed = 0
        self._path = None if path == "-" else Path(path)
        self._most = megabytes * 1024 * 1024
        self._backups = backups
        self._days = days
        self._now = now
        self._checked = now()
        self._file, self._size = (1, 0) if self._path is None else self._open(self._path)

    def _open(self, path: Path) -> tuple[int, int]:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return file, os.fstat(file).st_size

    def write(self, line: bytes) -> bool:
        """One line or several, their ends included; False where they are lost: a disk that is full loses the event."""
        try:
            if self._path is not None:
                self._look_after(self._path, len(line))
            self._size += os.write(self._file, line)
        except OSError as failure:
            if not self.failed:
                log.error("cannot write the audit log: %s", failure)
            self.failed += 1
            return False
        return True

    def _look_after(self, path: Path, coming: int) -> None:
        now = self._now()
        if now - self._checked >= _CHECK_SECONDS or self._size + coming > self._most > 0:
            self._checked = now
            self._follow(path)
            if self._size + coming > self._most > 0 and self._size:
                self._rotate(path)

    def _follow(self, path: Path) -> None:
        """Another process may have rotated, or written."""
        try:
            there = os.stat(path)
        except FileNotFoundError:
            there = None
        mine = os.fstat(self._file)
        if there is None or (there.st_ino, there.st_dev) != (mine.st_ino, mine.st_dev):
            os.close(self._file)
            self._file, self._size = self._open(path)
        else:
            self._size = mine.st_size

    def _rotate(self, path: Path) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)  # let go of with the file
        if os.stat(path).st_ino == os.fstat(self._file).st_ino:
            stamp = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
            os.rename(path, path.with_name(f"{path.stem}-{stamp}{path.suffix}"))
        os.close(self._file)
        self._file, self._size = self._open(path)
        self._drop_old(path)

    def _drop_old(self, path: Path) -> None:
        old = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"), reverse=True)
        for at, file in enumerate(old):
            with contextlib.suppress(FileNotFoundError):
                too_old = self._days and self._now() - file.stat().st_mtime > self._days * _DAY
                if too_old or (self._backups and at >= self._backups):
                    file.unlink()

    def close(self) -> None:
        if self._path is not None:
            os.close(self._file)


class BatchedLogFile(LogFile):
    """What comes within a moment is written at once: requests do not wait for the disk, and a crash loses that moment."""

    _lines: list[bytes]

    def __init__(self, *args: Any, **settings: Any):
        super().__init__(*args, **settings)
        self._lines = []

    def write(self, line: bytes) -> bool:
        self._lines.append(line)
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(BATCH_SECONDS, self.flush)
        elif len(self._lines) >= BATCH_LINES:
            self.flush()
        return True

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            super().write(b"".join(lines))

    async def run(self) -> None:
        """Until cancelled; nothing is left behind then."""
        try:
            await asyncio.Event().wait()
        finally:
            self.flush()
