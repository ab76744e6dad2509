"""Two processes on one port: both answer, what one writes the other shows, and they end together."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bench.connection import Connection
from tests.apiserver.robustness.processes import ApiServer
from tests.apiserver.server import config_map
from tests.certificates import Pki
from tests.conftest import Etcd

MAPS = "/api/v1/namespaces/default/configmaps"


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def is_alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


async def scraped(connection: Connection) -> float:
    """How many configmaps were made, as /metrics counts them."""
    answer = await connection.ask("GET", "/metrics")
    assert answer.status == 200
    (line,) = [
        line
        for line in answer.body.decode().splitlines()
        if line.startswith("apiserver_request_total{") and 'code="201"' in line and 'resource="configmaps"' in line
    ]
    return float(line.rpartition(" ")[2])


@pytest.mark.integration
async def test_workers_share_a_port(tmp_path: Path, etcd: Etcd, pki: Pki) -> None:
    server = ApiServer(tmp_path, [etcd.endpoint], pki, more=["--workers=2"])
    await server.start()
    try:
        children = children_of(server.pid)
        assert len(children) == 2
        connections = [await Connection(server.target).open() for _ in range(8)]
        for number, connection in enumerate(connections):
            made = await connection.ask("POST", MAPS, orjson.dumps(config_map(f"m{number}")))
            assert made.status == 201, made
            for other in connections:
                assert (await other.ask("GET", f"{MAPS}/m{number}")).status == 200
        told = {await scraped(connection) for connection in connections}
        assert told == {float(len(connections))}, "each worker answers for both"
        for connection in connections:
            connection.close()
    finally:
        await asyncio.to_thread(server.stop)
    assert not any(map(is_alive, children))
    with pytest.raises(OSError):
        await Connection(server.target).open()


@pytest.mark.integration
async def test_a_worker_that_hangs_is_replaced_and_only_what_it_had_is_lost(
    tmp_path: Path, etcd: Etcd, pki: Pki
) -> None:
    """Half of the clients keep a connection, half make a new one for each write. Those that wait for the hung worker to accept them are
    handed to the other; each that it had accepted loses one request."""
    server = ApiServer(tmp_path, [etcd.endpoint], pki, more=["--workers=2"])
    await server.start()
    first, done = children_of(server.pid), asyncio.Event()
    written: list[str] = []
    lost: list[str] = []
    waiting: list[str] = []  # lost ones that were begun after the worker had been stopped
    stopped = float("inf")

    async def write(client: str, *, keep: bool) -> None:
        connection: Connection | None = None
        number = 0
        while not done.is_set():
            name, number, began = f"{client}-{number}", number + 1, asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(30):
                    connection = connection or await Connection(server.target).open()
                    answer = await connection.ask("POST", MAPS, orjson.dumps(config_map(name)))
                assert answer.status == 201, answer
                written.append(name)
            except (OSError, EOFError) as error:
                (waiting if not keep and began > stopped else lost).append(f"{name}: {error!r}")
                if connection:
                    connection.close()
                connection = None
            if connection and not keep:
                connection.close()
                connection = None
            await asyncio.sleep(0.02)  # what a client does between its requests
        if connection:
            connection.close()

    try:
        async with asyncio.TaskGroup() as clients:
            for number in range(4):
                clients.create_task(write(f"kept{number}", keep=True))
                clients.create_task(write(f"new{number}", keep=False))
            while len(written) < 100:  # noqa: ASYNC110 - the clients count
                await asyncio.sleep(0.02)
            os.kill(int(first[0]), signal.SIGSTOP)
            stopped = asyncio.get_running_loop().time()
            async with asyncio.timeout(30):
                while len(children_of(server.pid)) < 2 or first[0] in children_of(server.pid):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            before = len(written)
            while len(written) < before + 100:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            done.set()
        reader = await Connection(server.target).open()
        for name in written:
            assert (await reader.ask("GET", f"{MAPS}/{name}")).status == 200, name
        assert await scraped(reader) > 0
        reader.close()
    finally:
        await asyncio.to_thread(server.stop)
    assert len(lost) <= 8 and not waiting, (lost, waiting)


async def test_a_worker_that_ends_ends_all(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "apiserver",
        "--workers=2",
        "--tls-cert-file=/nowhere",
        "--tls-private-key-file=/nowhere",
    ]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=600, check=False)
    assert ended.returncode == 1, ended.stderr


PARENT = """
import sys
from pathlib import Path
from apiserver.workers import Workers
folder = Path(sys.argv[1])
print(Workers([sys.executable, "-c", (folder / "worker.py").read_text(), str(folder / "starts")], folder=folder).run(1))
"""
WORKER = """
import os, sys
from pocketkube.base.watchdog import Beating
with open(sys.argv[1], "a+") as starts:
    starts.write("x")
    starts.flush()
    starts.seek(0)
    if len(starts.read()) < 3:
        Beating().ready()
        os._exit(5)
os._exit(7)
"""


async def test_a_worker_that_was_ready_is_replaced_and_one_that_never_was_ends_all(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=600, check=True, text=True)
    assert ended.stdout == "7\n", ended.stderr
    assert (tmp_path / "starts").read_text() == "xxx"
    assert ended.stderr.count("is replaced") == 2
