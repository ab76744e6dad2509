"""What a kubelet makes of what others say about its pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubelet.statuses import Statuses, contradicts
from pocketkube.client.config import ClientConfig
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import PODS
from pocketkube.client.rest import Client

Obj = dict[str, Any]


def status(**conditions: str) -> dict[str, object]:
    return {"conditions": [{"type": kind, "status": value} for kind, value in conditions.items()]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(status(Ready="True", Initialized="True"), False, id="the same"),
        pytest.param(status(Ready="False", Initialized="True"), True, id="marked as not ready, its node seemed lost"),
        pytest.param(status(Ready="True"), True, id="one is missing"),
        pytest.param(status(Ready="True", Initialized="True", Mine="False"), False, id="another's own condition"),
        pytest.param({}, True, id="nothing there"),
        pytest.param({"phase": "Failed", **status(Ready="False")}, False, id="finished by another"),
    ],
)
def test_what_others_say_is_put_right_where_only_a_kubelet_knows(found: dict[str, object], expected: bool) -> None:
    assert contradicts(found, status(Ready="True", Initialized="True")) is expected


class Node:
    """One pod, its status writer, and what the kubelet's watch last showed."""

    def __init__(self, client: Client, shown: Obj) -> None:
        self.client, self.shown = client, shown
        self.uid = shown["metadata"]["uid"]
        self.statuses = Statuses(client, lambda uid: self.shown)

    async def set(self, **more: Any) -> None:
        self.statuses.set(self.uid, {"phase": "Running", **status(Ready="True"), **more})
        await self.statuses.flush(self.uid)

    async def watch_shows(self) -> str:
        """The pod as it is now comes in; gives its version."""
        self.shown = await self.client.get(PODS, "web", "default")
        self.statuses.seen(self.shown)
        await self.statuses.flush(self.uid)
        return str(self.shown["metadata"]["resourceVersion"])

    async def called(self, ready: str) -> None:
        """Another says so."""
        body = {"status": status(Ready=ready)}
        await self.client.patch(PODS, "web", body, namespace="default", type="strategic", subresource="status")

    async def is_ready(self) -> str:
        pod = await self.client.get(PODS, "web", "default")
        return str(next(c["status"] for c in pod["status"]["conditions"] if c["type"] == "Ready"))


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with MemoryServer() as server:
        client = Client(ClientConfig(server=server.url))
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "status": {}}
        node = Node(client, await client.create(PODS, pod))
        await node.set()
        yield node
        await client.aclose()


async def test_what_another_said_while_the_node_was_away_is_put_right(node: Node) -> None:
    await node.called("False")
    assert await node.is_ready() == "False"
    await node.watch_shows()
    assert await node.is_ready() == "True"


async def test_what_another_said_while_we_wrote_of_other_things_is_put_right(node: Node) -> None:
    await node.called("False")
    await node.set(podIP="10.244.0.7")
    assert await node.is_ready() == "True"


async def test_nothing_is_written_where_nothing_is_wrong(node: Node) -> None:
    before = await node.watch_shows()
    assert await node.watch_shows() == before


async def test_an_older_state_of_the_pod_is_no_contradiction(node: Node) -> None:
    """The watch lags behind our own writes."""
    await node.watch_shows()
    node.statuses.set(node.uid, {"phase": "Running", **status(Ready="False")})
    await node.statuses.flush(node.uid)
    node.statuses.seen(node.shown)
    await node.statuses.flush(node.uid)
    assert await node.is_ready() == "False"
