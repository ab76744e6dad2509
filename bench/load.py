"""A closed loop: some connections, each with one request under way at any time, until a row's requests have been made."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.connection import Connection, Target
from bench.processes import Processes

Asked = tuple[Any, ...]  # method, path, body, media: what Connection.ask takes


@dataclass
class Row:
    """What a row of requests cost. `cpu_us` is the server's, a request; 0 where no process was named."""

    name: str
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    kilobytes: float  # of an answer
    refused: dict[int, int] = field(default_factory=dict)  # status -> count


class Load:
    def __init__(self, target: Target, processes: Processes, *, connections: int = 32):
        self.target = target
        self.processes = processes
        self._size = connections
        self._open: list[Connection] = []

    async def __aenter__(self) -> Load:
        self._open = [await Connection(self.target).open() for _ in range(self._size)]
        return self

    async def __aexit__(self, *failure: object) -> None:
        for connection in self._open:
            connection.close()

    @property
    def one(self) -> Connection:
        """A connection for what is not measured."""
        return self._open[0]

    async def run(self, name: str, requests: int, make: Callable[[int], Asked]) -> Row:
        """Make the requests 0 to `requests` - 1 as fast as the server answers."""
        times: list[float] = []
        statuses: Counter[int] = Counter()
        size = 0
        numbers = iter(range(requests))

        async def work(connection: Connection) -> None:
            nonlocal size
            for number in numbers:
                method, path, *more = make(number)
                begun = time.perf_counter()
                answer = await connection.ask(method, path, *more[:1], **({"media": more[1]} if len(more) > 1 else {}))
                times.append(time.perf_counter() - begun)
                statuses[answer.status] += 1
                size += len(answer.body)

        cpu, begun = self.processes.cpu(), time.perf_counter()
        await asyncio.gather(*map(work, self._open))
        wall, cpu = time.perf_counter() - begun, self.processes.cpu() - cpu
        times.sort()
        return Row(
            name,
            requests,
            round(requests / wall, 1),
            round(times[len(times) // 2] * 1e3, 2),
            round(times[len(times) * 99 // 100] * 1e3, 2),
            round(cpu / requests * 1e6, 1),
            round(size / requests / 1024, 1),
            {status: count for status, count in statuses.items() if status >= 300},
        )
