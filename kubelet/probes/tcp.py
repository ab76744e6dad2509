"""TCP probe: a connection that is accepted is healthy."""

from __future__ import annotations

import asyncio

from kubelet.probes.result import Result


async def connect(*, host: str, port: int, seconds: float) -> Result:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Result(False, f"dial tcp {host}:{port}: i/o timeout")
    except ConnectionRefusedError:
        return Result(False, f"dial tcp {host}:{port}: connect: connection refused")
    except OSError as e:
        return Result(False, f"dial tcp {host}:{port}: {e}")
    writer.close()
    return Result(True)
