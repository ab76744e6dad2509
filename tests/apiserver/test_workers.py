"""Two processes on one port: both answer, what one writes the other shows, and they end together."""

from __future__ import annotations

import asyncio
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


async def test_a_worker_that_ends_ends_all(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "apiserver",
        "--workers=2",
        "--tls-cert-file=/nowhere",
        "--tls-private-key-file=/nowhere",
    ]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert ended.returncode != 0
