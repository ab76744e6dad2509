"""Watch fan-out: some watchers of one collection, and what each event costs until all have it."""

from __future__ import annotations

import asyncio
import time

from bench.connection import MERGE, Connection
from bench.load import Load, Row

WAIT_SECONDS = 90
OBJECTS = 50  # patched in turn: writers of one object would refuse each other


async def fan_out(load: Load, collection: str, prefix: str, *, watchers: int, events: int) -> Row:
    """`events` patches of the objects `prefix`0, `prefix`1..., until every watcher has seen them all.

    A request of the row is one event at one watcher."""
    version = (await load.one.ask("GET", f"{collection}?limit=1")).json()["metadata"]["resourceVersion"]
    watching = [await Connection(load.target).open() for _ in range(watchers)]
    try:
        path = f"{collection}?watch=1&resourceVersion={version}&timeoutSeconds={WAIT_SECONDS}"
        for connection in watching:
            status, _ = await connection.begin("GET", path)
            assert status == 200, status
        return await _measured(load, watching, f"{collection}/{prefix}", events)
    finally:
        for connection in watching:
            connection.close()


async def _measured(load: Load, watching: list[Connection], path: str, events: int) -> Row:
    tasks = [asyncio.create_task(_read(connection, events)) for connection in watching]
    cpu, begun = load.processes.cpu(), time.perf_counter()
    written = await load.run("writes", events, lambda i: ("PATCH", f"{path}{i % OBJECTS}", _change(), MERGE))
    await asyncio.wait_for(asyncio.gather(*tasks), WAIT_SECONDS)
    wall, cpu = time.perf_counter() - begun, load.processes.cpu() - cpu
    seen = events * len(watching)
    return Row(
        f"{len(watching)} watchers", seen, round(seen / wall, 1), written.p50_ms, written.p99_ms,
        round(cpu / seen * 1e6, 1), 0.0, written.refused,
    )  # fmt: skip


def _change() -> bytes:
    return b'{"metadata":{"annotations":{"bench":"%d"}}}' % time.monotonic_ns()


async def _read(connection: Connection, events: int) -> None:
    """Until so many lines have come."""
    left = events
    while left > 0:
        left -= (await connection.piece()).count(b"\n")
