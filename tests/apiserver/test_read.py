"""GET, LIST and WATCH: revisions, selectors, pages, forms."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.apiserver.server import Client, config_map, pod, running

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def fill(client: Client, count: int) -> list[Any]:
    return [
        await client.ok("POST", CONFIG_MAPS, config_map(f"c{i}", labels={"app": f"a{i % 2}", "i": str(i)}))
        for i in range(count)
    ]


def names(found: Any) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


async def test_list_shows_the_stores_revision(client: Client) -> None:
    """line 1: a list shows the store's revision."""
    made = (await fill(client, 2))[-1]
    found = await client.ok("GET", CONFIG_MAPS)
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(found) == ["c0", "c1"]
    assert int(found["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
    assert "continue" not in found["metadata"]
    assert all(next(iter(item)) == "metadata" and "kind" not in item for item in found["items"]), "the list says it"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("labelSelector=app%3Da0", ["c0", "c2"], id="equal"),
        pytest.param("labelSelector=app%3Da0,i!%3D2", ["c0"], id="equal and not"),
        pytest.param("labelSelector=i+in+(1,2)", ["c1", "c2"], id="in"),
        pytest.param("labelSelector=i+notin+(1,2)", ["c0"], id="notin"),
        pytest.param("labelSelector=!app", [], id="absent"),
        pytest.param("labelSelector=app", ["c0", "c1", "c2"], id="present"),
        pytest.param("fieldSelector=metadata.name%3Dc1", ["c1"], id="name"),
        pytest.param("fieldSelector=metadata.name!%3Dc1", ["c0", "c2"], id="not name"),
        pytest.param("fieldSelector=metadata.namespace%3Ddefault&labelSelector=i%3D1", ["c1"], id="both"),
    ],
)
async def test_selectors(client: Client, query: str, expected: list[str]) -> None:
    await fill(client, 3)
    assert names(await client.ok("GET", f"{CONFIG_MAPS}?{query}")) == expected
    found = names(await client.ok("GET", f"/api/v1/configmaps?{query}"))
    assert [name for name in found if name in ("c0", "c1", "c2")] == expected


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        pytest.param("labelSelector=a+in", 400, "unable to parse requirement", id="label selector"),
        pytest.param("fieldSelector=a", 400, "invalid selector", id="field selector"),
        pytest.param("fieldSelector=spec.x%3D1", 400, "field label not supported: spec.x", id="field"),
        pytest.param("resourceVersion=x", 400, "resourceVersion: Invalid value", id="revision"),
        pytest.param("resourceVersionMatch=Exact", 422, "resourceVersionMatch is forbidden unless resourceVersion is provided", id="match"),
        pytest.param("resourceVersionMatch=Exact&resourceVersion=0", 422, "is forbidden for resourceVersion", id="exact zero"),
        pytest.param("resourceVersionMatch=Near&resourceVersion=1", 422, "Unsupported value", id="unknown match"),
        pytest.param("limit=x", 400, "invalid syntax", id="limit"),
        pytest.param("continue=x", 400, "continue key is not valid", id="token"),
        pytest.param("watch=1&sendInitialEvents=true", 422, "sendInitialEvents requires setting resourceVersionMatch", id="initial"),
    ],
)  # fmt: skip
async def test_bad_queries(client: Client, query: str, code: int, words: str) -> None:
    answer = await client("GET", f"{PODS}?{query}")
    assert answer.status == code
    assert words in answer.message


async def test_pages_share_one_revision(client: Client) -> None:
    """line 10: all pages are of one revision."""
    await fill(client, 5)
    first = await client.ok("GET", f"{CONFIG_MAPS}?limit=2")
    assert names(first) == ["c0", "c1"]
    assert first["metadata"]["remainingItemCount"] == 3
    await client.ok("POST", CONFIG_MAPS, config_map("c9"))
    await client.ok("DELETE", f"{CONFIG_MAPS}/c3")
    second = await client.ok("GET", f"{CONFIG_MAPS}?limit=2&continue={first['metadata']['continue']}")
    assert names(second) == ["c2", "c3"]
    assert second["metadata"]["remainingItemCount"] == 1
    third = await client.ok("GET", f"{CONFIG_MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert names(third) == ["c4"]
    assert "continue" not in third["metadata"]
    assert "remainingItemCount" not in third["metadata"]
    assert len({page["metadata"]["resourceVersion"] for page in (first, second, third)}) == 1


async def test_pages_under_a_selector(client: Client) -> None:
    await fill(client, 5)
    seen, token = [], ""
    while True:
        page = await client.ok("GET", f"{CONFIG_MAPS}?limit=1&labelSelector=app%3Da0&continue={token}")
        seen += names(page)
        assert "remainingItemCount" not in page["metadata"]
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert seen == ["c0", "c2", "c4"]


async def test_an_expired_token_comes_with_a_fresh_one(client: Client) -> None:
    """line 10: 410 comes with a token to go on."""
    await fill(client, 3)
    first = await client.ok("GET", f"{CONFIG_MAPS}?limit=1")
    await client.ok("DELETE", f"{CONFIG_MAPS}/c1")
    store = client.server.store
    await store.compact(await store.current_revision())
    answer = await client("GET", f"{CONFIG_MAPS}?limit=1&continue={first['metadata']['continue']}")
    assert (answer.status, answer.json()["reason"]) == (410, "Expired")
    assert "The provided continue parameter is too old" in answer.message
    fresh = await client.ok("GET", f"{CONFIG_MAPS}?continue={answer.json()['metadata']['continue']}")
    assert names(fresh) == ["c2"]


async def test_exact_revision_shows_the_past(client: Client) -> None:
    made = await fill(client, 2)
    version = made[0]["metadata"]["resourceVersion"]
    found = await client.ok("GET", f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")
    assert names(found) == ["c0"]
    assert found["metadata"]["resourceVersion"] == version
    assert names(await client.ok("GET", f"{CONFIG_MAPS}?resourceVersion={version}")) == ["c0", "c1"]


@pytest.mark.parametrize("token", ["", "a", base64.b64encode(orjson.dumps({"v": "x", "rv": 1, "start": "a"})).decode()])
async def test_hostile_tokens(client: Client, token: str) -> None:
    assert (await client("GET", f"{CONFIG_MAPS}?continue={token}")).status in (200, 400)


# Watch


async def test_watch_tells_what_happens(client: Client) -> None:
    """line 4: added, modified, deleted, key by key."""
    await fill(client, 1)
    async with client.watch(f"{CONFIG_MAPS}?watch=true") as stream:
        assert await stream.take(1) == [("ADDED", "c0")]
        made = await client.ok("POST", CONFIG_MAPS, config_map("new"))
        event = await stream.next()
        assert (event["type"], event["object"]) == ("ADDED", made)
        changed = await client.ok(
            "PATCH", f"{CONFIG_MAPS}/new", {"data": {"a": "1"}}, media="application/merge-patch+json"
        )
        event = await stream.next()
        assert (event["type"], event["object"]) == ("MODIFIED", changed)
        await client.ok("DELETE", f"{CONFIG_MAPS}/new")
        event = await stream.next()
        assert event["type"] == "DELETED"
        assert event["object"]["data"] == {"a": "1"}
        assert int(event["object"]["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


async def test_watch_from_a_revision_replays(client: Client) -> None:
    """line 3: history after a revision is replayed."""
    made = await fill(client, 3)
    version = made[0]["metadata"]["resourceVersion"]
    async with client.watch(f"{CONFIG_MAPS}?watch=true&resourceVersion={version}") as stream:
        assert await stream.take(2) == [("ADDED", "c1"), ("ADDED", "c2")]


async def test_watch_under_a_selector(client: Client) -> None:
    """line 5: what starts to match is added, what ceases is deleted."""
    await fill(client, 1)
    async with client.watch(f"{CONFIG_MAPS}?watch=1&labelSelector=app%3Da0") as stream:
        assert await stream.take(1) == [("ADDED", "c0")]
        for value in ("other", "a0"):
            patch = {"metadata": {"labels": {"app": value}}}
            await client.ok("PATCH", f"{CONFIG_MAPS}/c0", patch, media="application/merge-patch+json")
        assert await stream.take(2) == [("DELETED", "c0"), ("ADDED", "c0")]


async def test_initial_events_end_with_a_bookmark(client: Client) -> None:
    """line 6: with the annotation that says so."""
    await fill(client, 2)
    query = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    async with client.watch(f"{CONFIG_MAPS}?{query}") as stream:
        assert await stream.take(2) == [("ADDED", "c0"), ("ADDED", "c1")]
        event = await stream.next()
        assert event["type"] == "BOOKMARK"
        assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(event["object"]["metadata"]["resourceVersion"]) > 0


async def test_watch_of_one_name(client: Client) -> None:
    await fill(client, 2)
    async with client.watch(f"{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Dc1") as stream:
        assert await stream.take(1) == [("ADDED", "c1")]


async def test_watch_ends_by_its_time(client: Client) -> None:
    """line 8: an idle watch ends by its time limit."""
    async with client.watch(f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1") as stream:
        with pytest.raises(EOFError):
            await stream.next()


async def test_watch_from_before_the_history(client: Client, tmp_path: Path) -> None:
    """line 3: too old is Expired."""
    await fill(client, 1)
    async with (
        running(tmp_path, client.server.store) as later,
        later.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion=1") as stream,
    ):
        event = await stream.next()
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert "too old resource version" in event["object"]["message"]


# Forms


async def test_table(client: Client) -> None:
    await fill(client, 2)
    table = await client.ok("GET", CONFIG_MAPS, accept=TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [row["cells"][0] for row in table["rows"]] == ["c0", "c1"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["columnDefinitions"][0]["name"] == "Name"
    assert int(table["metadata"]["resourceVersion"]) > 0
    one = await client.ok("GET", f"{CONFIG_MAPS}/c0?includeObject=Object", accept=TABLE)
    assert one["rows"][0]["object"]["kind"] == "ConfigMap"


async def test_metadata_alone(client: Client) -> None:
    await fill(client, 1)
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    found = await client.ok("GET", CONFIG_MAPS, accept=accept)
    assert found["kind"] == "PartialObjectMetadataList"
    assert set(found["items"][0]) == {"kind", "apiVersion", "metadata"}
    async with client.watch(
        f"{CONFIG_MAPS}?watch=1", accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    ) as stream:
        assert (await stream.next())["object"]["kind"] == "PartialObjectMetadata"


async def test_table_watch(client: Client) -> None:
    await fill(client, 1)
    async with client.watch(f"{CONFIG_MAPS}?watch=1", accept=TABLE) as stream:
        event = await stream.next()
        assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")
        assert event["object"]["rows"][0]["cells"][0] == "c0"
        assert event["object"]["columnDefinitions"][0]["name"] == "Name"
        await client.ok("DELETE", f"{CONFIG_MAPS}/c0")
        event = await stream.next()
        assert (event["type"], event["object"]["columnDefinitions"]) == ("DELETED", None), "columns are told once"


async def test_table_watch_of_an_older_version(client: Client) -> None:
    await fill(client, 1)
    async with client.watch(f"{CONFIG_MAPS}?watch=1", accept=TABLE.replace("v=v1", "v=v1beta1")) as stream:
        table = (await stream.next())["object"]
        assert (table["apiVersion"], table["rows"][0]["object"]["apiVersion"]) == ("meta.k8s.io/v1beta1",) * 2


async def test_table_watch_with_what_no_row_can_hold(client: Client) -> None:
    answer = await client("GET", f"{CONFIG_MAPS}?watch=1&includeObject=All", accept=TABLE)
    assert (answer.status, "must be 'Metadata', 'Object', 'None', or empty" in answer.message) == (400, True)


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default/bindings", "/apis/authentication.k8s.io/v1/tokenreviews"])
async def test_what_is_not_kept_has_no_paths_below(client: Client, path: str) -> None:
    assert (await client("GET", path)).status == 405
    assert (await client("GET", f"{path}/a")).status == 404


async def test_resources_have_no_head(client: Client) -> None:
    await fill(client, 1)
    for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/c0"):
        assert (await client("HEAD", path)).status == 405


async def test_yaml_and_pretty(client: Client) -> None:
    made = (await fill(client, 1))[0]
    answer = await client("GET", f"{CONFIG_MAPS}/c0", accept="application/yaml")
    assert answer.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(answer.body) == made
    assert b"\n  " in (await client("GET", f"{CONFIG_MAPS}/c0?pretty=true")).body
    assert b"\n  " not in (await client("GET", f"{CONFIG_MAPS}/c0")).body


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        pytest.param("application/vnd.kubernetes.protobuf", 406, id="protobuf alone"),
        pytest.param("application/vnd.kubernetes.protobuf,application/json", 200, id="protobuf first"),
        pytest.param("text/html,*/*", 200, id="anything"),
        pytest.param("", 200, id="none"),
        pytest.param("application/json;as=Chair;v=v1;g=meta.k8s.io", 406, id="unknown shape"),
        pytest.param("application/json;v=v1;g=meta.k8s.io", 406, id="a version of no shape"),
    ],
)
async def test_accept(client: Client, accept: str, code: int) -> None:
    """line 20: what cannot be served is 406."""
    await client.ok("POST", PODS, pod())
    assert (await client("GET", f"{PODS}/p", accept=accept)).status == code
