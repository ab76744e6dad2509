"""A server under a flood: it is turned away with 429 while the system, masters and watches go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.flowcontrol import Turns, upkeep
from apiserver.storage.memory import MemoryStore
from pocketkube.base import tasks
from tests.apiserver.server import Client, eventually, running

GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
MAPS = "/api/v1/namespaces/default/configmaps"


class SlowStore(MemoryStore):
    """Creates of configmaps wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = 0

    async def create(self, key: str, value: bytes, *, ttl_seconds: int = 0) -> int:
        if key.startswith("/registry/configmaps/default/"):
            self.held += 1
            await self.gate.wait()
        return await super().create(key, value, ttl_seconds=ttl_seconds)


async def _with_upkeep(folder: Path, store: MemoryStore, **flags: Any) -> AsyncIterator[Client]:
    async with running(folder, store, **flags) as client:
        task = tasks.spawn("upkeep", upkeep.run(client.server.registry, client.server.cluster))

        async def told() -> bool:
            found = await client.ok("GET", f"{GROUP}/flowschemas")
            return len(found["items"]) == 13 and all(i["status"].get("conditions") for i in found["items"])

        await eventually(told)
        yield client
        await tasks.cancel(task)


@pytest.fixture
async def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
async def small(tmp_path: Path, store: SlowStore) -> AsyncIterator[Client]:
    """A server with few seats: 3 for people, who may borrow."""
    rights = {"max_requests_inflight": 20, "max_mutating_requests_inflight": 10, "authorization_mode": ("AlwaysAllow",)}
    async for client in _with_upkeep(tmp_path, store, **rights):
        yield client


def user(client: Client) -> Client:
    return Client(client.server, token="user-token")


def config_map(name: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def test_defaults_are_there_and_come_back(small: Client) -> None:
    levels = (await small.ok("GET", f"{GROUP}/prioritylevelconfigurations"))["items"]
    assert {level["metadata"]["name"] for level in levels} == {
        "catch-all", "exempt", "global-default", "leader-election", "node-high", "system", "workload-high", "workload-low",
    }  # fmt: skip
    schema = await small.ok("GET", f"{GROUP}/flowschemas/global-default")
    assert schema["metadata"]["annotations"] == {"apf.kubernetes.io/autoupdate-spec": "true"}
    condition = schema["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Dangling", "False", "Found")
    await small.ok("DELETE", f"{GROUP}/flowschemas/probes")
    changed = {"spec": {"matchingPrecedence": 77}}
    await small.ok("PATCH", f"{GROUP}/flowschemas/system-nodes", changed, media="application/merge-patch+json")

    async def restored() -> bool:
        there = (await small("GET", f"{GROUP}/flowschemas/probes")).status == 200
        spec = (await small.ok("GET", f"{GROUP}/flowschemas/system-nodes"))["spec"]
        return there and spec["matchingPrecedence"] == 500

    await eventually(restored)


async def test_what_does_not_follow_the_server_is_left_alone(small: Client) -> None:
    own = {
        "metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}},
        "spec": {"matchingPrecedence": 77},
    }
    path = f"{GROUP}/flowschemas/system-nodes"
    await small.ok("PATCH", path, own, media="application/merge-patch+json")
    await upkeep.ensure(small.server.cluster)
    assert (await small.ok("GET", path))["spec"]["matchingPrecedence"] == 77


async def test_a_dangling_schema_says_so(small: Client) -> None:
    spec = {"priorityLevelConfiguration": {"name": "nowhere"}, "matchingPrecedence": 50}
    schema = {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": "x"},
        "spec": spec,
    }
    await small.ok("POST", f"{GROUP}/flowschemas", schema)

    async def told() -> bool:
        found = (await small.ok("GET", f"{GROUP}/flowschemas/x"))["status"].get("conditions") or [{}]
        return bool(found[0].get("status") == "True")

    await eventually(told)
    assert (await user(small)("GET", MAPS)).status == 200


async def test_a_flood_is_turned_away_and_the_rest_goes_on(small: Client, store: SlowStore) -> None:
    store.gate.clear()
    flooding = user(small)
    flood = [asyncio.create_task(flooding("POST", MAPS, config_map(f"f{n}"))) for n in range(400)]
    turns = small.server.api.turns
    assert isinstance(turns, Turns)
    level = next(level for level in turns.rack if level.name == "global-default")

    async def full() -> bool:
        return level.waiting >= 100 and sum(task.done() for task in flood) > 0

    await eventually(full)
    assert store.held == level.used <= 30
    # masters never wait; other levels keep their own seats
    assert (await small("GET", MAPS)).status == 200
    kubelet = {"impersonate_user": "system:node:n", "impersonate_group": "system:nodes"}
    for _ in range(20):
        async with asyncio.timeout(5):
            assert (await small("GET", "/api/v1/nodes", **kubelet)).status == 200
    async with asyncio.timeout(5):
        assert (await user(small)("GET", "/readyz")).status == 200
    assert (await small("GET", "/api/v1/nodes", **kubelet)).headers["x-kubernetes-pf-prioritylevel-uid"]
    store.gate.set()
    answers = await asyncio.gather(*flood)
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert {answer.status for answer in answers} == {201, 429}
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json()["reason"] == "TooManyRequests"
    assert (level.used, level.waiting) == (0, 0)
    schema = next(schema for schema in turns.schemas if schema.name == "global-default")
    assert schema.rejected == {"queue-full": len(refused)}


async def test_open_watches_hold_no_seats(small: Client) -> None:
    turns = small.server.api.turns
    assert isinstance(turns, Turns)
    watching = user(small)
    async with watching.watch(f"{MAPS}?watch=1") as one, watching.watch(f"{MAPS}?watch=1") as two:
        assert sum(level.used for level in turns.rack) == 0
        assert one.status == two.status == 200
        await small.ok("POST", MAPS, config_map("seen"))
        assert [event["object"]["metadata"]["name"] for event in (await one.next(), await two.next())] == ["seen"] * 2


async def test_a_level_that_rejects(small: Client, store: SlowStore) -> None:
    level = {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration", "metadata": {"name": "tight"},
        "spec": {"type": "Limited", "limited": {
            "nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"},
        }},
    }  # fmt: skip
    rules = [{
        "subjects": [{"kind": "User", "user": {"name": "ann"}}],
        "resourceRules": [{"verbs": ["create"], "apiGroups": [""], "resources": ["configmaps"], "namespaces": ["*"]}],
    }]  # fmt: skip
    schema = {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": "tight"},
        "spec": {"priorityLevelConfiguration": {"name": "tight"}, "matchingPrecedence": 50, "rules": rules},
    }  # fmt: skip
    await small.ok("POST", f"{GROUP}/prioritylevelconfigurations", level)
    await small.ok("POST", f"{GROUP}/flowschemas", schema)
    store.gate.clear()
    first = asyncio.create_task(user(small)("POST", MAPS, config_map("a")))
    await asyncio.sleep(0)
    second = await user(small)("POST", MAPS, config_map("b"))
    assert second.status == 429
    assert (await user(small)("GET", MAPS)).status == 200
    store.gate.set()
    assert (await first).status == 201


async def test_the_plain_limit(tmp_path: Path, store: SlowStore) -> None:
    flags: dict[str, Any] = {"enable_priority_and_fairness": False, "max_mutating_requests_inflight": 2}
    async with running(tmp_path, store, authorization_mode=("AlwaysAllow",), **flags) as client:
        store.gate.clear()
        flood = [asyncio.create_task(user(client)("POST", MAPS, config_map(f"f{n}"))) for n in range(5)]
        await eventually(lambda: _done(flood, 3))
        assert (await user(client)("GET", MAPS)).status == 200
        masters = asyncio.create_task(client("POST", MAPS, config_map("m")))
        store.gate.set()
        assert sorted(answer.status for answer in await asyncio.gather(*flood)) == [201, 201, 429, 429, 429]
        assert (await masters).status == 201


async def _done(flood: list[asyncio.Task[Any]], count: int) -> bool:
    return sum(task.done() for task in flood) == count


INVALID = [
    pytest.param("flowschemas", "exempt", {"matchingPrecedence": 1}, "must equal the fixed value", id="fixed schema"),
    pytest.param("flowschemas", "x", {"matchingPrecedence": 1}, "only the schema named 'exempt'", id="precedence"),
    pytest.param("flowschemas", "x", {"rules": [{}]}, "subjects must contain at least one value", id="no subjects"),
    pytest.param(
        "flowschemas", "x",
        {"rules": [{"subjects": [{"kind": "User"}], "nonResourceRules": [{"verbs": ["fly"], "nonResourceURLs": ["*"]}]}]},
        'Unsupported value: ["fly"]', id="verb",
    ),
    pytest.param("prioritylevelconfigurations", "x", {"type": "Exempt"}, "if and only if name is 'exempt'", id="exempt"),
    pytest.param(
        "prioritylevelconfigurations", "x",
        {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"queues": 2, "handSize": 3}}}},
        "should not be greater than queues (2)", id="hand",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("plural", "name", "spec", "words"), INVALID)
async def test_invalid(client: Client, plural: str, name: str, spec: dict[str, Any], words: str) -> None:
    kind = {"flowschemas": "FlowSchema", "prioritylevelconfigurations": "PriorityLevelConfiguration"}[plural]
    if kind == "FlowSchema":
        spec = {"priorityLevelConfiguration": {"name": "exempt"}, **spec}
    obj = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    answer = await client("POST", f"{GROUP}/{plural}", obj)
    assert answer.status == 422, answer.body
    assert words in answer.message
