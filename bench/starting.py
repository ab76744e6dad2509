"""From a command to a server that says it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time

from bench.connection import Connection, Target
from bench.processes import Processes

WAIT_SECONDS = 120


async def measure(command: str, target: Target) -> dict[str, float]:
    """Run `command` until /readyz answers 200, then stop it: wall and CPU seconds, MiB resident. Raises TimeoutError."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*shlex.split(command))
    processes = Processes([process.pid])
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not await _ready(target):  # noqa: ASYNC110 - another process has no event for it
                await asyncio.sleep(0.01)
        wall = time.perf_counter() - begun
        return {
            "seconds": round(wall, 2),
            "cpu_seconds": round(processes.cpu(), 2),
            "resident_mib": round(processes.resident(), 1),
        }
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _ready(target: Target) -> bool:
    connection = Connection(target)
    try:
        await connection.open()
        answer = await connection.ask("GET", "/readyz")
        connection.close()
    except (OSError, EOFError):
        return False
    return answer.status == 200
