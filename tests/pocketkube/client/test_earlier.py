"""Components of today beside a server of an earlier release (line 79: each works in a stock cluster)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pocketkube.api.meta import errors
from pocketkube.client.config import ClientConfig
from pocketkube.client.informer import Informer, Informers
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import (
    ENDPOINTSLICES,
    HORIZONTALPODAUTOSCALERS,
    NAMESPACES,
    PODDISRUPTIONBUDGETS,
    SERVICECIDRS,
    Resource,
)
from pocketkube.client.rest import Client

Obj = dict[str, Any]

OLD_SLICES = ENDPOINTSLICES._replace(version="v1beta1")
NOT_SERVED = errors.NotFound("the server could not find the requested resource")


def old_slice(name: str) -> Obj:
    endpoint = {"addresses": ["10.0.0.1"], "topology": {"kubernetes.io/hostname": "n1"}}
    return {
        "apiVersion": "discovery.k8s.io/v1beta1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default"},
        "addressType": "IPv4",
        "endpoints": [endpoint],
    }


@asynccontextmanager
async def following(server: MemoryServer, resource: Resource) -> AsyncIterator[tuple[Client, Informer]]:
    client = Client(ClientConfig(server=server.url))
    informer = Informer(client, resource)
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.wait_for(informer.wait_synced(), 10)
        yield client, informer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


async def test_an_older_version_is_read_and_written_as_the_newer_one(server: MemoryServer) -> None:
    server.fail("/apis/discovery.k8s.io/v1/", NOT_SERVED, times=1000)
    server.put(OLD_SLICES, old_slice("a"))
    async with following(server, ENDPOINTSLICES) as (client, informer):
        seen = informer.store.get("default/a")
        assert seen is not None
        assert (seen["apiVersion"], seen["endpoints"][0]["nodeName"]) == ("discovery.k8s.io/v1", "n1")
        changed = {**seen, "endpoints": [{"addresses": ["10.0.0.2"], "nodeName": "n2"}]}
        answer = await client.update(ENDPOINTSLICES, changed)
        assert answer["endpoints"][0]["nodeName"] == "n2"
        kept = server.get(OLD_SLICES, "a", "default")
        assert kept is not None
        assert kept["apiVersion"] == "discovery.k8s.io/v1beta1"
        assert kept["endpoints"][0]["topology"] == {"kubernetes.io/hostname": "n2"}


async def test_watch_events_are_converted(server: MemoryServer) -> None:
    server.fail("/apis/discovery.k8s.io/v1/", NOT_SERVED, times=1000)
    async with following(server, ENDPOINTSLICES) as (_, informer):
        added: asyncio.Future[Obj] = asyncio.get_running_loop().create_future()
        informer.add_handler(on_add=added.set_result)
        server.put(OLD_SLICES, old_slice("b"))
        assert (await asyncio.wait_for(added, 10))["endpoints"][0]["nodeName"] == "n1"


async def test_autoscalers_of_v1_come_as_v2(server: MemoryServer) -> None:
    server.fail("/apis/autoscaling/v2/", NOT_SERVED, times=1000)
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "web"},
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
    }
    old = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "spec": spec}
    server.put(
        HORIZONTALPODAUTOSCALERS._replace(version="v1"), old | {"metadata": {"name": "web", "namespace": "default"}}
    )
    async with following(server, HORIZONTALPODAUTOSCALERS) as (_, informer):
        seen = informer.store.get("default/web")
        assert seen is not None
        assert seen["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50


@pytest.mark.parametrize(
    "resource", [pytest.param(SERVICECIDRS, id="never"), pytest.param(PODDISRUPTIONBUDGETS, id="in no version")]
)
async def test_what_a_server_does_not_know_it_has_none_of(server: MemoryServer, resource: Resource) -> None:
    server.fail(f"/apis/{resource.group}/", NOT_SERVED, times=1000)
    async with following(server, resource) as (_, informer):
        assert informer.store.list() == []


async def test_a_collection_that_is_lost_later_keeps_its_last_state(server: MemoryServer) -> None:
    """A gap in what a server serves deletes nothing."""
    server.put(PODDISRUPTIONBUDGETS, {"metadata": {"name": "b", "namespace": "default"}, "spec": {}})
    async with following(server, PODDISRUPTIONBUDGETS) as (_, informer):
        server.fail("GET /apis/policy/", NOT_SERVED, times=2)
        server.compact()
        server.cut()
        moved: asyncio.Future[Obj] = asyncio.get_running_loop().create_future()
        informer.add_handler(on_add=lambda obj: moved.set_result(obj) if obj["metadata"]["name"] == "c" else None)
        server.put(PODDISRUPTIONBUDGETS, {"metadata": {"name": "c", "namespace": "default"}, "spec": {}})
        await asyncio.wait_for(moved, 20)
        assert sorted(informer.store.keys()) == ["default/b", "default/c"]


async def test_what_is_optional_holds_nobody_up(server: MemoryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketkube.client.informer.OPTIONAL_SECONDS", 0.05)
    server.fail("/api/v1/namespaces", errors.Forbidden("namespaces is forbidden"), times=1000)
    client = Client(ClientConfig(server=server.url))
    informers = Informers(client)
    informers.of(NAMESPACES, optional=True)
    task = asyncio.create_task(informers.run())
    try:
        await asyncio.wait_for(informers.wait_synced(), 10)
        assert informers.synced
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()
