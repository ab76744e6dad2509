"""One line a record: `2026-11-21T03:00:00.123Z I apiserver.storage.etcd: connected endpoint=...`."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

_LETTERS = {logging.DEBUG: "D", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}
_QUIET = ("httpx", "httpcore", "urllib3", "docker", "asyncio", "uvicorn", "grpc", "hpack")


class LineFormatter(logging.Formatter):
    """Line breaks in a message are escaped; a traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        letter = _LETTERS.get(record.levelno, "I")
        message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        return f"{stamp}.{int(record.msecs):03d}Z {letter} {record.name}: {message}"


def setup(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every logger of the process to `stream` (stderr) at `level`; libraries speak from warning up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def level_of(verbosity: int) -> str:
    """The level that upstream's `--v` stands for: from 4 on it is debugging."""
    return "debug" if verbosity >= 4 else "info"
