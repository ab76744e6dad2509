"""Many writers of one object: each has its way in the end, in one server and in two over one store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from apiserver.registry.contention import Contention
from bench.connection import MERGE, Answer, Connection
from tests.apiserver.robustness.processes import ApiServer
from tests.apiserver.server import config_map
from tests.certificates import Pki
from tests.conftest import Etcd

MAPS = "/api/v1/namespaces/default/configmaps"
WRITERS = 100
JSON_PATCH = "application/json-patch+json"


async def patch(connection: Connection, number: int) -> Answer:
    """One key of the map: half of the writers by merge patch, half by JSON patch with a test that holds."""
    if number % 2:
        return await connection.ask("PATCH", f"{MAPS}/many", orjson.dumps({"data": {f"k{number}": "v"}}), media=MERGE)
    operations = [
        {"op": "test", "path": "/metadata/name", "value": "many"},
        {"op": "add", "path": f"/data/k{number}", "value": "v"},
    ]
    return await connection.ask("PATCH", f"{MAPS}/many", orjson.dumps(operations), media=JSON_PATCH)


@pytest.mark.integration
@pytest.mark.parametrize("count", [1, 2])
async def test_parallel_patches_of_one_object_all_succeed(tmp_path: Path, etcd: Etcd, pki: Pki, count: int) -> None:
    servers = [ApiServer(tmp_path, [etcd.endpoint], pki) for _ in range(count)]
    try:
        for server in servers:
            await server.start()
        connections = [await Connection(servers[n % count].target).open() for n in range(WRITERS)]
        made = config_map("many") | {"data": {"first": "v"}}
        assert (await connections[0].ask("POST", MAPS, orjson.dumps(made))).status == 201
        answers = await asyncio.gather(*(patch(connection, n) for n, connection in enumerate(connections)))
        assert {answer.status for answer in answers} == {200}, [a for a in answers if a.status != 200][:3]
        read = await connections[0].ask("GET", f"{MAPS}/many")
        assert set(orjson.loads(read.body)["data"]) == {"first", *(f"k{n}" for n in range(WRITERS))}
        for connection in connections:
            connection.close()
    finally:
        for server in servers:
            await asyncio.to_thread(server.stop)


async def test_turns_come_in_the_order_of_asking_and_nothing_is_left() -> None:
    contention, order = Contention(), []

    async def write(number: int) -> None:
        turn = await contention.turn("key")
        assert "key" in contention
        await asyncio.sleep(0)
        order.append(number)
        turn.end()

    await asyncio.gather(*map(write, range(20)))
    assert order == list(range(20)) and "key" not in contention


async def test_who_waits_too_long_goes_on_without_a_turn() -> None:
    """Whoever has the turn may be waiting for that very write, as an admission webhook that writes the same object."""
    contention = Contention(patience=0.01)
    first = await contention.turn("key")
    second = await contention.turn("key")
    assert first.held and not second.held
    first.end()
    third = await contention.turn("key")
    assert third.held
    second.end()
    third.end()
    assert "key" not in contention


async def test_a_writer_that_is_cancelled_leaves_the_queue() -> None:
    contention = Contention()
    first = await contention.turn("key")
    waiting = asyncio.create_task(contention.turn("key"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.end()
    assert "key" not in contention
