"""What is large is worked on beside the event loop: meanwhile others are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from apiserver.storage.memory import MemoryStore
from pocketkube.base import tasks
from tests.apiserver.server import Client, config_map, deployment, running

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LONGEST_MS = 50.0
OBJECTS = 20_000


class Turns:
    """The longest turn of the event loop in CPU time of its thread: what other processes do does not count."""

    def __init__(self) -> None:
        self.longest_ms = 0.0

    async def watch(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest_ms = max(self.longest_ms, (now - last) * 1e3)
            last = now


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    filled = MemoryStore()
    for number in range(OBJECTS):
        obj = config_map(f"map-{number:05}", labels={"tenth": str(number % 10)}, text="x" * 200)
        obj["metadata"] |= {"namespace": "default", "uid": str(number), "creationTimestamp": "2026-01-01T00:00:00Z"}
        filled._put(f"/registry/configmaps/default/map-{number:05}", orjson.dumps(obj), 0)
    return filled


@pytest.fixture
async def client(tmp_path: Path, store: MemoryStore) -> AsyncIterator[Client]:
    async with running(tmp_path, store) as made:
        yield made


def large_deployment(name: str) -> bytes:
    made = deployment(name)
    variables = [{"name": f"VARIABLE_{number}", "value": "v" * 30} for number in range(12_000)]
    made["spec"]["template"]["spec"]["containers"][0]["env"] = variables
    return orjson.dumps(made)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="json"),
        pytest.param({"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}, id="table"),
        pytest.param({"accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}, id="metadata"),
        pytest.param({"user_agent": "curl/8"}, id="pretty"),
    ],
)
async def test_a_list_of_many(client: Client, headers: dict[str, str]) -> None:
    async def listing() -> None:
        listed = await client("GET", MAPS, None, **headers)
        assert listed.status == 200 and listed.body.count(b'"map-') >= OBJECTS

    assert await longest_turn(listing) < LONGEST_MS


async def test_a_large_object_is_written(client: Client) -> None:
    names = iter(("large-1", "large-2", "large-3"))
    change = {"containers": [{"name": "c", "env": [{"name": "VARIABLE_7", "value": "new"}]}]}
    patch = orjson.dumps({"spec": {"template": {"spec": change}}})

    async def writing() -> None:
        name = next(names)
        body = large_deployment(name)
        assert len(body) > 700_000
        made = await client("POST", DEPLOYMENTS, body)
        path = f"{DEPLOYMENTS}/{name}"
        patched = await client("PATCH", path, patch, media="application/strategic-merge-patch+json")
        replaced = await client("PUT", path, body)
        assert [made.status, patched.status, replaced.status] == [201, 200, 200]
        assert b'"value":"new"' in patched.body and b'"value":"new"' not in replaced.body

    assert await longest_turn(writing) < LONGEST_MS


async def longest_turn(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds; of three times the best, for a machine's other work slows ours too."""
    found = []
    for _ in range(3):
        turns = Turns()
        watching = asyncio.create_task(turns.watch())
        await work()
        await tasks.cancel(watching)
        found.append(turns.longest_ms)
        if turns.longest_ms < LONGEST_MS:
            break
    return min(found)
