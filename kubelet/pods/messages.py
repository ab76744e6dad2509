"""A container's termination message: what it wrote to its file, or the end of its log where it asked for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubelet.runtime.interface import ContainerRecord, LogOptions, Runtime, RuntimeFailure

Obj = dict[str, Any]

FILE_LIMIT = 4096  # bytes
LOG_LIMIT, LOG_LINES = 2048, 80


def prepare(path: Path) -> None:
    """The file must be there to be bound, and writable for whatever user the container runs as."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(exist_ok=True)
    path.chmod(0o666)


async def read(container: Obj, record: ContainerRecord, path: Path, runtime: Runtime) -> str:
    """Never fails: what cannot be read is an empty message."""
    content = _start_of(path)
    if content:
        return content.decode(errors="replace")
    if container.get("terminationMessagePolicy") == "FallbackToLogsOnError" and record.exit_code != 0:
        return await _end_of_log(record, runtime)
    return ""


def _start_of(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(FILE_LIMIT)
    except OSError:
        return b""


async def _end_of_log(record: ContainerRecord, runtime: Runtime) -> str:
    content = b""
    try:
        async for _, chunk in runtime.logs(record, LogOptions(tail=LOG_LINES)):
            content = (content + chunk)[-LOG_LIMIT:]
    except RuntimeFailure as e:
        return f"Error reading termination message from logs: {e}"
    return content.decode(errors="replace")
