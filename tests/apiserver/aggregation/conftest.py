from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pocketkube.base import tasks
from tests.apiserver.aggregation.extension import GROUP, VERSION, Extension
from tests.apiserver.server import Client, running
from tests.certificates import Pki
from tests.conftest import free_port

Obj = dict[str, Any]

ADDRESS = "127.96.0.10"  # the extension's cluster address: all of 127.0.0.0/8 is this machine
APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = f"{VERSION}.{GROUP}"


class World:
    """An API server, and what is needed to have an extension server behind it."""

    def __init__(self, client: Client, pki: Pki):
        self.client, self.pki = client, pki
        self.port = free_port()
        self.extension = Extension(pki)

    def api_service(self, **spec: Any) -> Obj:
        given: Obj = {
            "group": GROUP,
            "version": VERSION,
            "groupPriorityMinimum": 17000,
            "versionPriority": 15,
            "service": {"namespace": "default", "name": "extension", "port": self.port},
            "caBundle": base64.b64encode(self.pki.ca.read_bytes()).decode(),
        }
        spec = {name: value for name, value in (given | spec).items() if value is not None}
        return {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": NAME},
            "spec": spec,
        }

    async def make_service(self, *, port: int = 0) -> None:
        spec = {"clusterIP": ADDRESS, "ports": [{"port": port or self.port, "name": "https"}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "extension"}, "spec": spec}
        await self.client.ok("POST", "/api/v1/namespaces/default/services", service)

    async def make_endpoints(self, *addresses: str) -> None:
        subsets = [{"addresses": [{"ip": ip} for ip in addresses], "ports": [{"name": "https", "port": self.port}]}]
        endpoints = {"metadata": {"name": "extension"}, "subsets": subsets if addresses else []}
        path = "/api/v1/namespaces/default/endpoints"
        if (await self.client("GET", f"{path}/extension")).status == 404:
            await self.client.ok("POST", path, {"apiVersion": "v1", "kind": "Endpoints", **endpoints})
        else:
            await self.client.ok("PUT", f"{path}/extension", {"apiVersion": "v1", "kind": "Endpoints", **endpoints})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Extension]:
        stop, ready = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self.extension.run(ADDRESS, self.port, stop=stop, ready=ready))
        await ready.wait()
        try:
            yield self.extension
        finally:
            stop.set()
            await asyncio.wait({task}, timeout=5)
            await tasks.cancel(task)

    async def reason(self, wanted: str) -> Obj:
        """Wait until the APIService is Available or not for that reason; gives the condition."""
        async with self.client.watch(f"{APISERVICES}?watch=1&fieldSelector=metadata.name={NAME}") as stream:
            while True:
                for condition in (await stream.next())["object"].get("status", {}).get("conditions", ()):
                    if condition["reason"] == wanted:
                        return dict(condition)


@pytest.fixture
async def world(tmp_path: Path, pki: Pki) -> AsyncIterator[World]:
    flags: dict[str, Any] = {"proxy_client_cert_file": str(pki.client), "proxy_client_key_file": str(pki.client_key)}
    async with running(tmp_path, service_cluster_ip_range="127.96.0.0/16", **flags) as client:
        yield World(client, pki)


@pytest.fixture
async def extension(world: World) -> AsyncIterator[Extension]:
    """Behind the API server, and available."""
    await world.make_service()
    await world.make_endpoints("192.0.2.7")
    async with world.serving() as made:
        await world.client.ok("POST", APISERVICES, world.api_service())
        await world.reason("Passed")
        yield made
