"""Promises that hold for every resource or for many clients at once; each test names its line of the checklist."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pocketkube.api import scheme
from pocketkube.api.kinds.kind import Kind
from tests.apiserver.server import Client, config_map, deployment, pod

Obj = dict[str, Any]

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
WATCHES = 300

KINDS = [kind for kind in scheme.builtin().kinds() if "watch" in kind.verbs]


def collection(kind: Kind) -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{root}/namespaces/default/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"


async def test_every_event_carries_a_version_of_its_own(client: Client) -> None:
    """line 2: neither objects nor bookmarks come without a resourceVersion."""
    async with client.watch(
        f"{MAPS}?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    ) as stream:
        made = await client.ok("POST", MAPS, config_map("a"))
        await client.ok("PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, media=MERGE)
        await client.ok("DELETE", f"{MAPS}/a")
        seen: list[tuple[str, str]] = []
        while not seen or seen[-1][0] != "DELETED":
            event = await stream.next()
            seen.append((event["type"], event["object"]["metadata"]["resourceVersion"]))
    assert {kind for kind, _ in seen} == {"BOOKMARK", "ADDED", "MODIFIED", "DELETED"}
    versions = [int(version) for _, version in seen]
    assert all(versions) and versions[-3:] == sorted(set(versions[-3:]))
    assert ("ADDED", made["metadata"]["resourceVersion"]) in seen


async def test_a_deletion_shows_the_object_as_it_was_last(client: Client) -> None:
    """line 7: events of a burst come all, in order, and the last one holds the object."""
    async with client.watch(f"{MAPS}?watch=true") as stream:
        await client.ok("POST", MAPS, config_map("a"))
        for number in range(20):
            await client.ok("PATCH", f"{MAPS}/a", {"data": {"n": str(number)}}, media=MERGE)
        await client.ok("DELETE", f"{MAPS}/a")
        events: list[Obj] = []
        while not events or events[-1]["type"] != "DELETED":
            event = await stream.next()
            if event["object"]["metadata"]["name"] == "a":
                events.append(event)
    assert [e["object"].get("data", {}).get("n") for e in events] == [None, *map(str, range(20)), "19"]


async def test_hundreds_of_watches_at_once(client: Client) -> None:
    """line 8: each is open before anything happens, and each is told."""
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(client.watch(f"{MAPS}?watch=true&fieldSelector=metadata.name%3Da"))
            for _ in range(WATCHES)
        ]
        assert {stream.status for stream in streams} == {200}
        await client.ok("POST", MAPS, config_map("a"))
        assert {tuple(await stream.take(1)) for stream in streams} == {(("ADDED", "a"),)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.plural}.{kind.version}.{kind.group}")
async def test_every_collection_lists_watches_and_empties(client: Client, kind: Kind) -> None:
    """line 9, line 78: the same URL lists, prints, watches and deletes."""
    path = collection(kind)
    listed = await client.ok("GET", path)
    assert (listed["kind"], listed["apiVersion"]) == (kind.list_kind, kind.api_version)
    table = await client.ok("GET", path, accept=TABLE)
    assert table["columnDefinitions"][0]["name"] == ("Last Seen" if kind.kind == "Event" else "Name")
    assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
    async with client.watch(f"{path}?watch=true&resourceVersion={listed['metadata']['resourceVersion']}") as stream:
        assert stream.status == 200
    if "deletecollection" in kind.verbs:
        gone = await client.ok("DELETE", f"{path}?labelSelector=nothing%3Dhas-it")
        assert (gone["kind"], gone["status"]) == ("Status", "Success")


async def test_one_more_capacity_keeps_the_others(client: Client) -> None:
    """line 12: status merges deeply by every type of patch, takes labels too, and answers a whole object."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "status": {"capacity": {"cpu": "4"}}}
    await client.ok("POST", "/api/v1/nodes", node)
    for media, patch in (
        (MERGE, {"status": {"capacity": {"example.com/a": "1"}}, "metadata": {"labels": {"m": "1"}}}),
        (STRATEGIC, {"status": {"capacity": {"example.com/b": "2"}}}),
        ("application/json-patch+json", [{"op": "add", "path": "/status/capacity/example.com~1c", "value": "3"}]),
    ):
        after = await client.ok("PATCH", "/api/v1/nodes/node-1/status", patch, media=media)
        assert (after["kind"], after["apiVersion"]) == ("Node", "v1")
    assert after["status"]["capacity"] == {"cpu": "4", "example.com/a": "1", "example.com/b": "2", "example.com/c": "3"}
    assert after["metadata"]["labels"]["m"] == "1"
    config = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1"},
        "status": {"capacity": {"example.com/d": "4"}},
    }
    answer = await client.apply("/api/v1/nodes/node-1/status", config)
    assert answer.status == 200, answer.body
    assert len(answer.json()["status"]["capacity"]) == 5


async def test_patches_without_a_version_never_conflict(client: Client) -> None:
    """line 14: whoever comes second is tried again by the server."""
    await client.ok("POST", MAPS, config_map("a"))
    await client.ok("POST", "/apis/apps/v1/namespaces/default/deployments", deployment())
    patches = [client("PATCH", f"{MAPS}/a", {"data": {f"k{n}": "v"}}, media=MERGE) for n in range(12)]
    scales = [
        client(
            "PATCH", "/apis/apps/v1/namespaces/default/deployments/web/scale", {"spec": {"replicas": n}}, media=MERGE
        )
        for n in range(12)
    ]
    answers = await asyncio.gather(
        *patches, *scales, client("DELETE", "/apis/apps/v1/namespaces/default/deployments/web")
    )
    assert not [answer.body for answer in answers if answer.status == 409]
    assert len((await client.ok("GET", f"{MAPS}/a"))["data"]) == 12


async def test_a_pod_stays_until_the_kubelet_lets_it_go(client: Client) -> None:
    """line 52: DELETE announces the end 30 seconds ahead; grace 0 is the kubelet's last word."""
    await client.ok("POST", PODS, pod("p", nodeName="n"))
    marked = await client.ok("DELETE", f"{PODS}/p")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await client("GET", f"{PODS}/p")).status == 200
    await client.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert (await client("GET", f"{PODS}/p")).status == 404


async def test_priority_classes_keep_their_value(client: Client) -> None:
    """line 38: and say so in words; a missing RuntimeClass is Forbidden."""
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await client.ok("POST", path, {"metadata": {"name": "high"}, "value": 5})
    answer = await client("PATCH", f"{path}/high", {"value": 6}, media=MERGE)
    assert (answer.status, "value: Forbidden: may not be changed in an update." in answer.message) == (422, True)
    missing = await client("POST", PODS, pod("p", runtimeClassName="none"))
    assert missing.status == 403


@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
async def test_a_service_becomes_a_name_and_an_address_again(client: Client, media: str) -> None:
    """line 70: by PATCH as by PUT, with the defaults of its type."""
    path = "/api/v1/namespaces/default/services"
    made = await client.ok(
        "POST", path, {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    )
    spec = made["spec"]
    assert (spec["sessionAffinity"], spec["internalTrafficPolicy"], bool(spec["ports"][0]["nodePort"])) == (
        "None",
        "Cluster",
        True,
    )
    name = {"spec": {"type": "ExternalName", "externalName": "a.example.com", "clusterIP": None, "clusterIPs": None}}
    named = await client.ok("PATCH", f"{path}/s", name, media=media)
    assert "clusterIP" not in named["spec"]
    assert "nodePort" not in named["spec"]["ports"][0]
    back = await client.ok("PATCH", f"{path}/s", {"spec": {"type": "ClusterIP", "externalName": None}}, media=media)
    assert back["spec"]["clusterIP"]
    assert "nodePort" not in back["spec"]["ports"][0]
