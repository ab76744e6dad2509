"""Requests to an extension server: in whose name they come, and how they end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.apiserver.aggregation.conftest import APISERVICES, NAME, World
from tests.apiserver.aggregation.extension import GROUP, PATH, Extension
from tests.apiserver.server import WAIT_SECONDS, eventually
from tests.apiserver.test_kubelet import listening, talk

Obj = dict[str, Any]

GADGETS = f"{PATH}/namespaces/default/gadgets"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def headers_of(extension: Extension) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in extension.seen[-1][2]:
        found.setdefault(name.decode(), []).append(value.decode())
    return found


async def test_in_the_name_of_who_asks(world: World, extension: Extension) -> None:
    gadget = {"kind": "Gadget", "metadata": {"name": "one"}}
    answer = await world.client(
        "POST", f"{GADGETS}?dryRun=All&a=%2F", gadget, x_remote_user="root", x_remote_extra_a="b"
    )
    assert (answer.status, answer.json(), answer.headers["x-by"]) == (201, gadget, "extension")
    assert extension.seen[-1][:2] == ("POST", GADGETS)
    seen = headers_of(extension)
    assert seen["x-remote-user"] == ["admin"]
    assert seen["x-remote-group"] == ["system:masters", "system:authenticated"]
    assert "authorization" not in seen and "x-remote-extra-a" not in seen
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["host"] == [f"127.96.0.10:{world.port}"]


async def test_as_somebody_else(world: World, extension: Extension) -> None:
    await world.client.ok(
        "GET", GADGETS, impersonate_user="ann", impersonate_group="system:masters", **{"impersonate_extra_a%2fb": "x"}
    )
    seen = headers_of(extension)
    assert seen["x-remote-user"] == ["ann"]
    assert "impersonate-user" not in seen
    assert seen["x-remote-extra-a%2fb"] == ["x"]


async def test_who_may_not_is_told_by_us(world: World, extension: Extension) -> None:
    before = len(extension.seen)
    answer = await world.client.acting_as("user-token")("GET", GADGETS)
    assert answer.status == 403
    assert len(extension.seen) == before


async def test_discovery_and_documents(world: World, extension: Extension) -> None:
    client = world.client
    assert (await client.ok("GET", PATH))["groupVersion"] == f"{GROUP}/v1"
    groups = (await client.ok("GET", "/apis"))["groups"]
    names = [group["name"] for group in groups]
    assert names[0] == "apiregistration.k8s.io"
    assert names.index("policy") < names.index(GROUP) < names.index("storage.k8s.io")
    assert (await client.ok("GET", f"/apis/{GROUP}"))["preferredVersion"]["version"] == "v1"
    found = (await client.ok("GET", "/apis", accept=V2))["items"]
    version = next(g for g in found if g["metadata"]["name"] == GROUP)["versions"][0]
    assert version["freshness"] == "Current"
    (gadgets,) = version["resources"]
    assert (gadgets["resource"], gadgets["scope"], gadgets["shortNames"]) == ("gadgets", "Namespaced", ["gg"])
    assert gadgets["subresources"][0]["subresource"] == "status"
    await documents(world)


async def documents(world: World) -> None:
    async def read() -> bool:
        return all(service.openapi_v2 for service in world.client.server.aggregation.services.values())

    await eventually(read)
    merged = await world.client.ok("GET", "/openapi/v2")
    assert f"{PATH}/gadgets" in merged["paths"] and "/api/v1/pods" in merged["paths"]
    assert {"Gadget", "Size"} <= merged["definitions"].keys() and "Unused" not in merged["definitions"]
    index = (await world.client.ok("GET", "/openapi/v3"))["paths"]
    assert (await world.client.ok("GET", index[f"apis/{GROUP}/v1"]["serverRelativeURL"]))["info"]["title"] == "gadgets"


async def test_unavailable(world: World, extension: Extension) -> None:
    await world.client.ok("DELETE", "/api/v1/namespaces/default/services/extension")
    await world.reason("ServiceNotFound")
    answer = await world.client("GET", GADGETS)
    assert (answer.status, answer.body) == (503, b"service unavailable\n")
    assert (await world.client("GET", PATH)).status == 503
    found = (await world.client.ok("GET", "/apis", accept=V2))["items"]
    version = next(g for g in found if g["metadata"]["name"] == GROUP)["versions"][0]
    assert version["freshness"] == "Stale" and version["resources"]
    await world.client.ok("DELETE", f"{APISERVICES}/{NAME}")

    async def forgotten() -> bool:
        return (await world.client("GET", PATH)).status == 404

    await eventually(forgotten)
    assert GROUP not in [g["name"] for g in (await world.client.ok("GET", "/apis"))["groups"]]


async def test_watches_begin_at_once_and_end_with_their_client(world: World, extension: Extension) -> None:
    async with listening(world.client) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {GADGETS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n".encode())
        async with asyncio.timeout(WAIT_SECONDS):
            assert b" 200 " in await reader.readline()  # before there is any event
            await world.client.ok("POST", GADGETS, {"metadata": {"name": "one"}})
            assert b"ADDED" in await reader.readuntil(b'"ADDED"')
            writer.close()
            await extension.left.wait()
    assert extension.watching == 0


async def test_watches_end_well_when_the_server_stops(world: World, extension: Extension) -> None:
    started = time.monotonic()
    async with listening(world.client) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {GADGETS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n".encode())
        async with asyncio.timeout(WAIT_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(WAIT_SECONDS):
        assert await reader.read() == b"0\r\n\r\n"
        await extension.left.wait()
    writer.close()
    assert time.monotonic() - started < 5


async def test_requests_under_way_are_answered_when_the_server_stops(world: World, extension: Extension) -> None:
    extension.delay = asyncio.Event()
    async with listening(world.client) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        before = len(extension.seen)
        writer.write(f"GET {GADGETS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n".encode())

        async def arrived() -> bool:
            return len(extension.seen) > before

        await eventually(arrived)
        asyncio.get_running_loop().call_later(0.1, extension.delay.set)
    async with asyncio.timeout(WAIT_SECONDS):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK") and b"GadgetList" in answer


async def test_upgrades(world: World, extension: Extension) -> None:
    async with listening(world.client) as port:
        answer = await talk(
            port,
            f"{GADGETS}/x/stream",
            "Connection: Upgrade",
            "Upgrade: echo",
            "X-Remote-User: root",
            send=b"abc",
            until=b"ABC",
        )
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert headers_of(extension)["x-remote-user"] == ["admin"]
