"""Many watches and steady writes: every watcher sees every event in order, and memory does not grow.

SOAK_SECONDS says how long (default 60; the whole soak is 600) and SOAK_WATCHES how many watches there are.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import orjson
import pytest

from bench.connection import MERGE, Connection
from bench.processes import Processes
from tests.apiserver.robustness.processes import ApiServer
from tests.certificates import Pki
from tests.conftest import Etcd

MAPS = "/api/v1/namespaces/default/configmaps"
WATCHES = int(os.environ.get("SOAK_WATCHES", "1000"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
WRITES_A_SECOND = 20
OBJECTS = 20
GROWTH_MIB = 40.0  # that caches and history may still fill up after the first third


class Watch:
    """Counts what it sees; the numbers that writers put into the objects must come one by one."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self.seen = 0
        self.faults: list[str] = []
        self.reached = asyncio.Event()
        self._rest = b""

    async def follow(self, version: str, seconds: float) -> None:
        path = f"{MAPS}?watch=1&resourceVersion={version}&timeoutSeconds={int(seconds) + 120}"
        status, _ = await self._connection.begin("GET", path)
        assert status == 200
        self.reached.set()
        while piece := await self._connection.piece():
            lines = (self._rest + piece).split(b"\n")
            self._rest = lines.pop()
            for line in lines:
                self._see(line)

    def leave(self) -> None:
        self._connection.close()

    def _see(self, line: bytes) -> None:
        marker = line.find(b'"number":"') + 10
        number = int(line[marker : line.index(b'"', marker)])
        if number != self.seen + 1:
            self.faults.append(f"{number} after {self.seen}")
        self.seen = number


async def write(connection: Connection, number: int) -> None:
    name = f"soak-{number % OBJECTS}"
    answer = await connection.ask("PATCH", f"{MAPS}/{name}", b'{"data":{"number":"%d"}}' % number, media=MERGE)
    assert answer.status == 200, answer


async def soak(server: ApiServer, *, watches: int, seconds: float) -> tuple[list[Watch], int, list[float]]:
    """The watches, how many events each must have seen, and the memory in MiB through the time."""
    writer = await Connection(server.target).open()
    for number in range(OBJECTS):
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"soak-{number}"},
            "data": {"number": "0"},
        }
        assert (await writer.ask("POST", MAPS, orjson.dumps(body))).status == 201
    version = (await writer.ask("GET", f"{MAPS}?limit=1")).json()["metadata"]["resourceVersion"]
    following = [Watch(await Connection(server.target).open()) for _ in range(watches)]
    tasks = [asyncio.create_task(watch.follow(version, seconds)) for watch in following]
    async with asyncio.timeout(60):
        for watch in following:
            await watch.reached.wait()
    processes, memory, written = Processes([server.pid]), [], 0
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        written += 1
        await write(writer, written)
        if written % WRITES_A_SECOND == 0:
            memory.append(processes.resident())
        await asyncio.sleep(max(0.0, written / WRITES_A_SECOND - passed))
    async with asyncio.timeout(60):
        while any(watch.seen < written for watch in following):  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.05)
    writer.close()
    for watch, task in zip(following, tasks, strict=True):
        task.cancel()
        watch.leave()
    failures = [
        failure for failure in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(failure, Exception)
    ]
    assert not failures, failures[:3]
    return following, written, memory


@pytest.mark.integration
@pytest.mark.parametrize(
    ("watches", "seconds"),
    [
        pytest.param(100, 5.0, id="short"),
        pytest.param(WATCHES, SECONDS, id="long", marks=pytest.mark.slow),
    ],
)
async def test_soak(tmp_path: Path, etcd: Etcd, pki: Pki, watches: int, seconds: float) -> None:
    server = ApiServer(tmp_path, [etcd.endpoint], pki)
    await server.start()
    try:
        following, written, memory = await soak(server, watches=watches, seconds=seconds)
    finally:
        server.stop()
    assert not [fault for watch in following for fault in watch.faults][:3]
    assert all(watch.seen == written for watch in following)
    settled = memory[len(memory) // 3 :]
    assert max(settled) - settled[0] < GROWTH_MIB, memory
    assert "Traceback" not in server.log.read_text()
