"""How the cost of a request changes with what is none of its business: CRDs, other namespaces, watchers of another resource."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from bench import watching
from bench.connection import MERGE, Connection
from bench.growth import MAPS, config_map
from bench.load import Asked, Load, Row
from bench.rows import NAMESPACE

REQUESTS = 2000
EVENTS = 1000  # at 10 watchers
GROUP = "bench.example.com"
ALONE = "nothing else"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_QUIET_SHARE, _QUIET_SECONDS, _QUIET_WAITS = 0.05, 0.5, 60
_SERVED_WAITS = 300

Neighbours = Callable[[Load, int], AbstractAsyncContextManager[None]]


async def measure(load: Load, *, crds: int, namespaces: int, watchers: int) -> AsyncIterator[Row]:
    """Rows named "get beside 500 CRDs": of each sort of neighbour alone, which are taken away again, and of none."""
    async for row in _rows(load, ALONE):
        yield row
    sorts: tuple[tuple[str, int, Neighbours], ...] = (
        ("CRDs", crds, _crds),
        ("namespaces", namespaces, _namespaces),
        ("other watchers", watchers, _watchers),
    )
    for name, count, made in sorts:
        if count:
            async with made(load, count):
                await _quiet(load)
                async for row in _rows(load, f"{count:,} {name}"):
                    yield row


async def _rows(load: Load, beside: str) -> AsyncIterator[Row]:
    for name, make in _asked().items():
        if name == "delete":
            row = await watching.fan_out(load, MAPS, "beside-", watchers=10, events=EVENTS)
            yield replace(row, name=f"watch beside {beside}")
        yield replace(await load.run(name, REQUESTS, make), name=f"{name} beside {beside}")


def _asked() -> dict[str, Callable[[int], Asked]]:
    return {
        "create": lambda i: ("POST", MAPS, config_map(f"beside-{i}", i)),
        "get": lambda i: ("GET", f"{MAPS}/beside-{i}"),
        "select": lambda i: ("GET", f"{MAPS}?fieldSelector=metadata.name%3Dbeside-{i}"),
        "patch": lambda i: ("PATCH", f"{MAPS}/beside-{i}", b'{"data":{"more":"%d"}}' % i, MERGE),
        "delete": lambda i: ("DELETE", f"{MAPS}/beside-{i}"),
    }


@asynccontextmanager
async def _crds(load: Load, count: int) -> AsyncIterator[None]:
    """Each with a schema, all served."""
    await load.run("", count, lambda i: ("POST", _CRDS, _definition(i)))
    for number in range(count):
        await _served(load, f"/apis/{GROUP}/v1/kind{number}s")
    yield
    await load.run("", count, lambda i: ("DELETE", f"{_CRDS}/kind{i}s.{GROUP}"))


def _definition(number: int) -> bytes:
    spec = {"replicas": {"type": "integer", "minimum": 0}, "image": {"type": "string"}, "paused": {"type": "boolean"}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    names = {"plural": f"kind{number}s", "singular": f"kind{number}", "kind": f"Kind{number}"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{names['plural']}.{GROUP}"},
            "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
        }
    ).encode()


async def _served(load: Load, path: str) -> None:
    for _ in range(_SERVED_WAITS):
        if (await load.one.ask("GET", path)).status == 200:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(path)


@asynccontextmanager
async def _namespaces(load: Load, count: int) -> AsyncIterator[None]:
    """Each with an object of the resource that is asked for."""
    await load.run("", count, lambda i: ("POST", "/api/v1/namespaces", _namespace(i)))
    await load.run("", count, lambda i: ("POST", f"/api/v1/namespaces/{_name(i)}/configmaps", config_map("one", i)))
    yield
    await load.run("", count, lambda i: ("DELETE", f"/api/v1/namespaces/{_name(i)}/configmaps/one"))
    await load.run("", count, lambda i: ("DELETE", f"/api/v1/namespaces/{_name(i)}"))
    await load.run("", count, lambda i: ("PUT", f"/api/v1/namespaces/{_name(i)}/finalize", _namespace(i)))


def _name(number: int) -> str:
    return f"{NAMESPACE}-{number}"


def _namespace(number: int) -> bytes:
    metadata = {"name": _name(number)}
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {}}).encode()


@asynccontextmanager
async def _watchers(load: Load, count: int) -> AsyncIterator[None]:
    """Of secrets, over a connection each."""
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets?watch=1&timeoutSeconds=600"
    opened: list[Connection] = []
    try:
        for _ in range(count):
            opened.append(await Connection(load.target).open())
            status, _ = await opened[-1].begin("GET", path)
            assert status == 200, status
        yield
    finally:
        for connection in opened:
            connection.close()


async def _quiet(load: Load) -> None:
    """Until the server has done what the neighbours make it do beside the requests, or a bound of waiting."""
    for _ in range(_QUIET_WAITS):
        before = load.processes.cpu()
        await asyncio.sleep(_QUIET_SECONDS)
        if load.processes.cpu() - before <= _QUIET_SHARE * _QUIET_SECONDS:
            return
