"""Writers and readers over two API servers while servers and etcd members are killed: no acknowledged write is lost, no read is stale."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from apiserver.storage.etcd import EtcdStore
from bench.connection import Connection, Target
from tests.apiserver.robustness.history import Event, Kind, Outcome, Truth, violations
from tests.apiserver.robustness.processes import ApiServer
from tests.certificates import Pki
from tests.conftest import Etcd

MAPS = "/api/v1/namespaces/default/configmaps"
REGISTERS = ("r0", "r1", "r2", "r3")
CLIENTS = 8
ANSWER_SECONDS = 12.0
_values = itertools.count()


def config_map(name: str, value: str, revision: int = 0) -> bytes:
    metadata = {"name": name} | ({"resourceVersion": str(revision)} if revision else {})
    return orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}})


class Client:
    """Reads a register and writes it back changed, at whichever server answers, and notes all it does."""

    def __init__(self, targets: list[Target], history: list[Event], rng: Random, *, seen: int):
        self._seen = seen  # the newest revision
        self._targets = targets
        self._history = history
        self._rng = rng
        self._connection: Connection | None = None

    async def run(self, end: float) -> None:
        while time.monotonic() < end:
            if self._rng.random() < 0.3:
                await self._list()
            register = self._rng.choice(REGISTERS)
            seen = await self._do("read", register)
            if seen is not None and seen.outcome == "ok" and self._rng.random() < 0.6:
                await self._do("write", register, compared=seen.revision)
        self._drop()

    async def _list(self) -> None:
        """Read all registers at once: the newest (a quorum list), what is not older than a revision that was seen, what was
        at that very revision, or whatever the cache has."""
        since = f"?resourceVersion={self._seen}&resourceVersionMatch="
        ways: list[tuple[str, Kind, int]] = [
            ("", "read", 0),
            ("", "read", 0),
            ("?resourceVersion=0", "old read", 0),
            (f"{since}NotOlderThan", "old read", self._seen),
            (f"{since}Exact", "old read", self._seen),
        ]
        query, kind, least = self._rng.choice(ways)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await self._connected()
                answer = await connection.ask("GET", MAPS + query)
        except (OSError, EOFError, TimeoutError):
            self._drop()
            return
        if answer.status != 200:
            assert answer.status in (410, 429, 503, 504), answer
            self._drop()
            return
        found = answer.json()
        at, ended = int(found["metadata"]["resourceVersion"]), time.monotonic()
        assert not query.endswith("Exact") or at == self._seen
        for item in found["items"]:
            name, revision = item["metadata"]["name"], int(item["metadata"]["resourceVersion"])
            value = item["data"]["value"]
            self._history.append(Event(kind, name, begun, ended, "ok", revision, value, least, at))
        self._seen = max(self._seen, at)

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await Connection(self._rng.choice(self._targets)).open()
        return self._connection

    async def _do(self, kind: Kind, register: str, *, compared: int = 0) -> Event | None:
        value = f"v{next(_values)}" if kind == "write" else ""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await self._connected()
                body = config_map(register, value, compared) if value else b""
                answer = await connection.ask("PUT" if value else "GET", f"{MAPS}/{register}", body)
        except (OSError, EOFError, TimeoutError):
            self._drop()
            await asyncio.sleep(0.02)
            return self._note(kind, register, begun, "unknown", value=value, compared=compared)
        if answer.status == 200:
            found = answer.json()
            revision = int(found["metadata"]["resourceVersion"])
            self._seen = max(self._seen, revision)
            return self._note(kind, register, begun, "ok", revision, found["data"]["value"], compared)
        if answer.status == 409:
            return self._note(kind, register, begun, "refused", value=value, compared=compared)
        assert answer.status in (429, 500, 503, 504), answer
        assert answer.status != 500, answer.body
        self._drop()  # and try the other server
        return self._note(kind, register, begun, "unknown", value=value, compared=compared)

    def _note(
        self,
        kind: Kind,
        register: str,
        begun: float,
        outcome: Outcome,
        revision: int = 0,
        value: str = "",
        compared: int = 0,
    ) -> Event:
        event = Event(
            kind,
            register,
            begun,
            time.monotonic(),
            outcome,
            revision,
            value,
            compared,
        )
        self._history.append(event)
        return event

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def create_registers(server: ApiServer) -> int:
    """The revision before the first of them."""
    connection = await Connection(server.target).open()
    first = 0
    for name in REGISTERS:
        answer = await connection.ask("POST", MAPS, config_map(name, f"first of {name}"))
        assert answer.status == 201, answer
        first = first or int(answer.json()["metadata"]["resourceVersion"]) - 1
    connection.close()
    return first


async def truth_of(endpoints: list[str], after: int) -> Truth:
    """etcd's own history of the registers."""
    store = EtcdStore(endpoints)
    found: dict[str, list[tuple[int, str]]] = {}
    newest = await store.current_revision()
    async with asyncio.timeout(30):
        async for batch in store.watch("/registry/", after=after):
            for change in batch.changes:
                name = change.key.rpartition("/")[2]
                if change.key.startswith("/registry/configmaps/default/") and name in REGISTERS:
                    found.setdefault(name, []).append((change.revision, orjson.loads(change.value)["data"]["value"]))
            if batch.revision >= newest:
                break
    await store.close()
    return found


async def disturb(members: list[Etcd], servers: list[ApiServer], rng: Random, end: float) -> int:
    """Kill one thing after another, never two at once, and start it again; how often."""
    killed = 0
    while time.monotonic() < end - 2.5:
        await asyncio.sleep(rng.uniform(0.3, 0.8))
        if killed % 2 == 0:
            member = rng.choice(members)
            await asyncio.to_thread(member.kill)
            await asyncio.sleep(rng.uniform(0.3, 1.2))
            await asyncio.to_thread(member.start)
        else:
            server = rng.choice(servers)
            server.kill()
            await asyncio.sleep(rng.uniform(0.1, 0.5))
            await server.start()
        killed += 1
    return killed


async def _together(disturbing: Coroutine[Any, Any, int], clients: list[Coroutine[Any, Any, None]]) -> int:
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client)
        killed = group.create_task(disturbing)
    return killed.result()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(12.0, id="short", marks=pytest.mark.integration),
        pytest.param(float(os.environ.get("LINEARIZABLE_SECONDS", "300")), id="long", marks=pytest.mark.slow),
    ],
)
async def test_history_is_linearizable(tmp_path: Path, etcd_members: list[Etcd], pki: Pki, seconds: float) -> None:
    rng = Random(7)
    endpoints = [member.endpoint for member in etcd_members]
    async with AsyncExitStack() as stack:
        servers = [ApiServer(tmp_path, endpoints, pki) for _ in range(2)]
        for server in servers:
            stack.callback(server.stop)
            await server.start()
        after = await create_registers(servers[0])
        history: list[Event] = []
        targets = [server.target for server in servers]
        end = time.monotonic() + seconds
        clients = [
            Client(targets, history, Random(number), seen=after + len(REGISTERS)).run(end) for number in range(CLIENTS)
        ]
        killed = await _together(disturb(etcd_members, servers, rng, end), clients)
        truth = await truth_of(endpoints, after)
        logs = "".join(server.log.read_text() for server in servers)
    assert violations(history, truth) == []
    done = sum(event.outcome == "ok" for event in history)
    assert killed >= 2 and done > 50 * seconds, (killed, done, len(history))
    assert "Traceback" not in logs, logs[logs.index("Traceback") :][:3000]
