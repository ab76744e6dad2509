"""The REST client on the wire: paths, bodies, errors, retries, credentials, many watches beside requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pocketkube.api.meta import errors
from pocketkube.client.config import ClientConfig
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import CONFIGMAPS, DEPLOYMENTS, NODES, PODS, Resource
from pocketkube.client.rest import Client, lines

Obj = dict[str, Any]


def config_map(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


@pytest.mark.parametrize(
    ("resource", "args", "path"),
    [
        pytest.param(PODS, (), "/api/v1/pods", id="all"),
        pytest.param(PODS, ("ns",), "/api/v1/namespaces/ns/pods", id="namespaced"),
        pytest.param(PODS, ("ns", "a", "log"), "/api/v1/namespaces/ns/pods/a/log", id="subresource"),
        pytest.param(NODES, ("ns", "a"), "/api/v1/nodes/a", id="cluster-scope"),
        pytest.param(DEPLOYMENTS, ("ns", "a"), "/apis/apps/v1/namespaces/ns/deployments/a", id="group"),
    ],
)
def test_paths(resource: Resource, args: tuple[str, ...], path: str) -> None:
    assert resource.path(*args) == path


async def test_objects_go_and_come(server: MemoryServer, client: Client) -> None:
    made = await client.create(CONFIGMAPS, config_map("a", k="v"))
    assert (await client.get(CONFIGMAPS, "a", "default"))["data"] == {"k": "v"}
    made["data"] = {"k": "w"}
    assert (await client.update(CONFIGMAPS, made))["data"] == {"k": "w"}
    patched = await client.patch(CONFIGMAPS, "a", {"data": {"l": "é"}}, namespace="default", type="strategic")
    assert patched["data"] == {"k": "w", "l": "é"}
    assert [o["metadata"]["name"] for o in await client.items(CONFIGMAPS, "default")] == ["a"]
    await client.delete(CONFIGMAPS, "a", "default", grace=0, propagation="Background", uid=made["metadata"]["uid"])
    assert server.all(CONFIGMAPS) == []
    sent = {r.method: r for r in server.requests}
    assert sent["PATCH"].headers["content-type"] == "application/strategic-merge-patch+json"
    assert sent["DELETE"].body["propagationPolicy"] == "Background"
    assert sent["DELETE"].body["gracePeriodSeconds"] == 0
    assert sent["GET"].headers["user-agent"] == "tester/v1.37.0 (linux/amd64) pocketkube"


async def test_lists_are_read_page_by_page(server: MemoryServer, client: Client) -> None:
    for i in range(7):
        server.put(CONFIGMAPS, config_map(f"c{i}"))
    found = await client.items(CONFIGMAPS, limit=3, labelSelector="")
    assert [o["metadata"]["name"] for o in found] == [f"c{i}" for i in range(7)]
    assert found[0]["kind"] == "ConfigMap"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(errors.not_found("", "pods", "x"), errors.NotFound, id="not-found"),
        pytest.param(errors.already_exists("", "pods", "x"), errors.AlreadyExists, id="exists"),
        pytest.param(errors.conflict("", "pods", "x", "modified"), errors.Conflict, id="conflict"),
        pytest.param(errors.Expired("old"), errors.Expired, id="expired"),
        pytest.param(errors.Forbidden("no"), errors.Forbidden, id="forbidden"),
        pytest.param(errors.TooManyRequests("slow"), errors.TooManyRequests, id="no-retry-after"),
    ],
)
async def test_errors_come_back_typed(
    server: MemoryServer, client: Client, error: errors.StatusError, raised: type[errors.StatusError]
) -> None:
    server.fail("GET", error)
    with pytest.raises(raised) as caught:
        await client.get(PODS, "x", "default")
    assert caught.value.message == error.message
    assert len(server.requests) == 1


async def test_retry_after_is_obeyed(server: MemoryServer, client: Client) -> None:
    server.put(CONFIGMAPS, config_map("a"))
    server.fail("GET", errors.TooManyRequests("slow", details={"retryAfterSeconds": 0}), times=3)
    await client.get(CONFIGMAPS, "a", "default")
    assert len(server.requests) == 4


async def test_a_server_that_is_not_there(client: Client, server: MemoryServer) -> None:
    await server.stop()
    with pytest.raises(httpx.ConnectError):
        await client.get(PODS, "x", "default")


async def test_a_server_that_closed_idle_connections_goes_unnoticed(server: MemoryServer, client: Client) -> None:
    server.put(CONFIGMAPS, config_map("a"))
    for _ in range(5):
        await asyncio.gather(*[client.get(CONFIGMAPS, "a", "default") for _ in range(4)])
        server.cut()


async def test_many_watches_leave_requests_alone(server: MemoryServer) -> None:
    client = Client(ClientConfig(server=server.url), connections=2)

    async def follow() -> str:
        async for kind, obj in client.watch(CONFIGMAPS, resourceVersion="0"):
            return f"{kind} {obj['metadata']['name']}"
        return ""

    watches = [asyncio.create_task(follow()) for _ in range(50)]
    made = await asyncio.gather(*[client.create(CONFIGMAPS, config_map(f"c{i}")) for i in range(20)])
    assert len(made) == 20
    assert {await asyncio.wait_for(w, 10) for w in watches} == {"ADDED c0"}
    await client.aclose()


async def test_a_cancelled_request_frees_its_place(server: MemoryServer) -> None:
    client = Client(ClientConfig(server=server.url), connections=1)
    server.put(CONFIGMAPS, config_map("a"))
    for _ in range(5):
        task = asyncio.create_task(client.get(CONFIGMAPS, "a", "default"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await asyncio.wait_for(client.get(CONFIGMAPS, "a", "default"), 5)
    await client.aclose()


async def test_tokens_in_files_are_read_again_when_refused(server: MemoryServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    client = Client(ClientConfig(server=server.url, token_file=str(token)))
    await client.list(PODS)
    token.write_text("new\n")
    server.fail("GET", errors.Unauthorized())
    await client.list(PODS)
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer old", "Bearer old", "Bearer new"]
    await client.aclose()


class Pieces(httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes]):
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([b"a\nb\n"], [b"a", b"b"], id="whole"),
        pytest.param([b"a", b"b", b"c\nd", b"\n"], [b"abc", b"d"], id="split"),
        pytest.param([b"a\n", b"\n\n", b"b\n"], [b"a", b"b"], id="empty-lines"),
        pytest.param([b"a\nunfinished"], [b"a"], id="cut-off"),
        pytest.param([b"x", b"\n", b"y", b"\nz\n"], [b"x", b"y", b"z"], id="lonely-newline"),
    ],
)
async def test_lines(pieces: list[bytes], expected: list[bytes]) -> None:
    response = httpx.Response(200, stream=Pieces(pieces))
    assert [line async for line in lines(response)] == expected


def answering(code: int, body: Any, *warnings: str) -> Client:
    """A client of a server that answers everything alike."""
    headers = [("warning", text) for text in warnings]
    transport = httpx.MockTransport(
        lambda request: httpx.Response(
            code, headers=headers, **({"text": body} if isinstance(body, str) else {"json": body})
        )
    )
    return Client(ClientConfig(server="http://server"), transport=transport)


async def test_a_page_that_is_not_there_reads_as_upstreams_words() -> None:
    client = answering(404, '{"paths": ["/api"]}')
    with pytest.raises(errors.NotFound) as caught:
        await client.request("GET", "/openapi/v3")
    assert caught.value.message == "the server could not find the requested resource"
    await client.aclose()


async def test_what_the_server_warns_of_is_told() -> None:
    client = answering(200, {}, '299 - "one", 299 server "say \\"two\\""', '299 - "three, 4"')
    told: list[str] = []
    client.on_warning = told.append
    await client.request("GET", "/api")
    assert told == ["one", 'say "two"', "three, 4"]
    await client.aclose()
