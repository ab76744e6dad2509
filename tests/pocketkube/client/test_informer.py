"""Informers against a server on a socket: what they hold is what the server holds, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pocketkube.api.meta import errors
from pocketkube.base.clock import SystemClock
from pocketkube.client.config import ClientConfig
from pocketkube.client.informer import Informer, Informers
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import NODES, PODS
from pocketkube.client.rest import Client
from pocketkube.client.store import by_namespace, by_node

Obj = dict[str, Any]


class ImpatientClock(SystemClock):
    """Waits a hundredth of what is asked, so that backoff takes no test's time."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


def pod(name: str, *, node: str = "", namespace: str = "default", **labels: str) -> Obj:
    meta = {"name": name, "namespace": namespace, "labels": labels, "managedFields": [{"manager": "m"}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {"nodeName": node} if node else {}}


class Watched:
    """An informer that runs, its events, and a wait for a state of its store."""

    def __init__(self, client: Client, **kw: Any):
        self.informer = Informer(client, PODS, clock=ImpatientClock(), **kw)
        self.events: list[tuple[str, str]] = []
        self._moved = asyncio.Event()
        self.informer.add_handler(
            on_add=lambda o: self._note("add", o),
            on_update=lambda _, o: self._note("update", o),
            on_delete=lambda o: self._note("delete", o),
        )

    def _note(self, kind: str, obj: Obj) -> None:
        self.events.append((kind, obj["metadata"]["name"]))
        self._moved.set()
        self._moved = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await self._moved.wait()

    async def __aenter__(self) -> Watched:
        self._task = asyncio.create_task(self.informer.run())
        await asyncio.wait_for(self.informer.wait_synced(), 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_follows_adds_updates_and_deletes_in_order(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("a"))
    async with Watched(client) as watched:
        server.put(PODS, pod("b"))
        server.put(PODS, pod("a", node="n"))
        server.remove(PODS, "b", "default")
        await watched.until(lambda: ("delete", "b") in watched.events)
        assert watched.events == [("add", "a"), ("add", "b"), ("update", "a"), ("delete", "b")]
        assert [o["spec"] for o in watched.informer.store.list()] == [{"nodeName": "n"}]


async def test_items_carry_kind_and_no_managed_fields(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("a"))
    async with Watched(client) as watched:
        held = watched.informer.store.get("default/a")
        assert held is not None
        assert (held["kind"], held["apiVersion"]) == ("Pod", "v1")
        assert "managedFields" not in held["metadata"]


async def test_indexes_follow_changes(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("a", node="one"))
    async with Watched(client, indexers={"node": by_node, "namespace": by_namespace}) as watched:
        store = watched.informer.store
        assert [o["metadata"]["name"] for o in store.by_index("node", "one")] == ["a"]
        server.put(PODS, pod("a", node="two"))
        await watched.until(lambda: bool(store.by_index("node", "two")))
        assert store.by_index("node", "one") == []
        assert store.index_values("node") == ["two"]
        assert len(store.by_index("namespace", "default")) == 1


async def test_selectors_are_the_servers(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("a", app="x"))
    server.put(PODS, pod("b", app="y"))
    async with Watched(client, label_selector="app=x") as watched:
        assert watched.informer.store.keys() == ["default/a"]
        server.put(PODS, pod("b", app="x"))
        await watched.until(lambda: ("add", "b") in watched.events)
        server.put(PODS, pod("a", app="z"))
        await watched.until(lambda: ("delete", "a") in watched.events)


async def test_cut_connections_lose_and_repeat_nothing(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("a"))
    async with Watched(client) as watched:
        server.cut()
        server.put(PODS, pod("b"))
        await watched.until(lambda: ("add", "b") in watched.events)
        assert watched.events == [("add", "a"), ("add", "b")]


async def test_server_down_and_back(server: MemoryServer, client: Client) -> None:
    async with Watched(client) as watched:
        await server.stop()
        server.put(PODS, pod("late"))
        await server.start()
        await watched.until(lambda: ("add", "late") in watched.events)


async def test_after_compaction_the_difference_is_told(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("stays"))
    server.put(PODS, pod("changes"))
    server.put(PODS, pod("goes"))
    async with Watched(client) as watched:
        await server.stop()
        server.put(PODS, pod("changes", node="n"))
        server.remove(PODS, "goes", "default")
        server.put(PODS, pod("comes"))
        server.compact()
        watched.events.clear()
        await server.start()
        await watched.until(lambda: len(watched.events) >= 3)
        assert sorted(watched.events) == [("add", "comes"), ("delete", "goes"), ("update", "changes")]


async def test_another_object_of_the_same_name_is_deleted_and_added(server: MemoryServer, client: Client) -> None:
    server.put(PODS, pod("a"))
    async with Watched(client) as watched:
        await server.stop()
        server.remove(PODS, "a", "default")
        server.put(PODS, pod("a"))
        server.compact()
        await server.start()
        await watched.until(lambda: len(watched.events) >= 3)
        assert watched.events == [("add", "a"), ("delete", "a"), ("add", "a")]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.Forbidden("no"), id="forbidden"),
        pytest.param(errors.InternalError("oops"), id="internal"),
        pytest.param(errors.Expired("old"), id="expired"),
        pytest.param(errors.Timeout("Too large resource version"), id="ahead"),
    ],
)
async def test_refused_lists_are_tried_again(server: MemoryServer, client: Client, error: errors.StatusError) -> None:
    server.put(PODS, pod("a"))
    server.fail("GET /api/v1/pods", error, times=3)
    async with Watched(client) as watched:
        assert watched.informer.store.keys() == ["default/a"]


async def test_handlers_added_late_see_everything_and_bad_ones_harm_nobody(
    server: MemoryServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.put(PODS, pod("a"))
    async with Watched(client) as watched:
        seen: list[str] = []

        def bad(obj: Obj) -> None:
            raise ValueError(obj["metadata"]["name"])

        watched.informer.add_handler(on_add=bad)
        watched.informer.add_handler(on_add=lambda o: seen.append(o["metadata"]["name"]))
        server.put(PODS, pod("b"))
        await watched.until(lambda: ("add", "b") in watched.events)
        assert seen == ["a", "b"]
    assert caplog.text.count("a handler failed") == 2


async def test_informers_are_shared_and_late_ones_start(server: MemoryServer, client: Client) -> None:
    server.put(NODES, {"metadata": {"name": "n"}})
    informers = Informers(client)
    assert informers.of(PODS) is informers.of(PODS, indexers={"node": by_node})
    running = asyncio.create_task(informers.run())
    await asyncio.wait_for(informers.wait_synced(), 10)
    nodes = informers.of(NODES)
    await asyncio.wait_for(nodes.wait_synced(), 10)
    assert nodes.store.keys() == ["n"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "cut", "compact"]), st.sampled_from("abc"), st.sampled_from(["", "n"])),
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_store_ends_as_the_server(steps: list[tuple[str, str, str]]) -> None:
    async with MemoryServer() as server:
        client = Client(ClientConfig(server=server.url))
        async with Watched(client, indexers={"node": by_node}) as watched:
            for step, name, node in steps:
                if step == "put":
                    server.put(PODS, pod(name, node=node))
                elif step == "remove" and server.get(PODS, name, "default"):
                    server.remove(PODS, name, "default")
                elif step == "cut":
                    server.cut()
                elif step == "compact":
                    server.compact()
                await asyncio.sleep(0)
            server.put(PODS, pod("end"))
            await watched.until(lambda: ("add", "end") in watched.events)
            held = {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in watched.informer.store.list()}
            assert held == {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in server.all(PODS)}
            expected = {o["metadata"]["name"] for o in server.all(PODS) if o["spec"].get("nodeName")}
            assert {o["metadata"]["name"] for o in watched.informer.store.by_index("node", "n")} == expected
        await client.aclose()
