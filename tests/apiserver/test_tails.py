"""Ends of answers that are shared: who gets the same one, and when it goes."""

from __future__ import annotations

import asyncio
import gc
import gzip
import weakref
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver import tails
from apiserver.tails import Tail, Tails
from tests.apiserver.server import Client, config_map, running

MAPS = "/api/v1/namespaces/default/configmaps"
LARGE = "x" * 50_000


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tails, "held", 0)


async def test_a_tail_is_known_by_name_and_content_while_somebody_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "HELD_BYTES", 10)
    known = Tails()
    large = Tail(b"x" * 11, content=1)
    known.add("a", large)
    assert known.get("a", 1) is large
    assert known.get("a", 2) is None
    assert known.get("b", 1) is None
    del large
    gc.collect()
    assert known.get("a", 1) is None, "nobody has it"
    assert Tails.held == 0


async def test_a_tail_is_held_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "HELD_SECONDS", 0.01)
    known = Tails()
    gone = asyncio.Event()
    tail = Tail(b"x" * 10, content=1)
    weakref.finalize(tail, gone.set)
    known.add("a", tail)
    del tail
    assert known.get("a", 1) is not None
    assert Tails.held == 10
    async with asyncio.timeout(10):
        await gone.wait()
    assert known.get("a", 1) is None
    assert Tails.held == 0


async def test_who_asks_while_a_tail_is_made_waits_for_it() -> None:
    known, made, go = Tails(), [], asyncio.Event()

    async def join() -> bytearray:
        made.append(1)
        await go.wait()
        return bytearray(b"x" * 10)

    first, second, other = (asyncio.create_task(known.join("a", content, join)) for content in (1, 1, 2))
    await asyncio.sleep(0)
    first.cancel()  # its client has left
    go.set()
    assert (await second).data == b"x" * 10
    assert (await other).content == 2
    assert len(made) == 2, "once for each content"
    assert await known.join("a", 2, join) is not await other, "what is made is asked for by `get`"


async def test_a_newer_tail_takes_the_place() -> None:
    known = Tails()
    known.add("a", Tail(b"x" * 10, content=1))
    known.add("a", Tail(b"x" * 20, content=2))
    assert known.get("a", 1) is None
    assert known.get("a", 2) is not None
    assert Tails.held == 20
    known.add("b", Tail(b"x" * 5, content=2))
    assert Tails.held == 25


async def fill(client: Client) -> None:
    for number in range(3):
        await client.ok("POST", MAPS, config_map(f"c{number}", text=LARGE))


def names(found: Any) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


async def test_lists_share_what_did_not_change(client: Client) -> None:
    await fill(client)
    resource = client.server.registry.by_plural("", "configmaps")
    first = await client.ok("GET", MAPS)
    made = resource.tails.get("default", resource.cache.content)
    assert made is not None
    await client.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})
    second = await client.ok("GET", MAPS)
    assert resource.tails.get("default", resource.cache.content) is made
    assert names(second) == names(first) == ["c0", "c1", "c2"]
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        pytest.param("POST", MAPS, config_map("c9"), ["c0", "c1", "c2", "c9"], id="created"),
        pytest.param("DELETE", f"{MAPS}/c1", None, ["c0", "c2"], id="deleted"),
        pytest.param("PUT", f"{MAPS}/c1", config_map("c1", other="y"), ["c0", "c1", "c2"], id="replaced"),
    ],
)
async def test_a_list_shows_every_write_before_it(
    client: Client, method: str, path: str, body: Any, expected: list[str]
) -> None:
    await fill(client)
    await client.ok("GET", MAPS)
    written = await client.ok(method, path, body)
    found = await client.ok("GET", MAPS)
    assert names(found) == expected
    if method != "DELETE":
        item = next(item for item in found["items"] if item["metadata"]["name"] == written["metadata"]["name"])
        assert item["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


async def test_what_is_shared_is_the_whole_list_alone(client: Client) -> None:
    await fill(client)
    await client.ok("GET", MAPS)
    assert names(await client.ok("GET", f"{MAPS}?limit=2")) == ["c0", "c1"]
    assert names(await client.ok("GET", f"{MAPS}?fieldSelector=metadata.name%3Dc1")) == ["c1"]
    assert names(await client.ok("GET", "/api/v1/namespaces/other/configmaps")) == []
    everywhere = await client.ok("GET", "/api/v1/configmaps")
    assert {"c0", "c1", "c2"} < set(names(everywhere)) | {""}
    pretty = await client("GET", f"{MAPS}?pretty=true")
    assert b"\n  " in pretty.body and names(pretty.json()) == ["c0", "c1", "c2"]


async def test_packed_once_for_those_who_ask_at_once(client: Client) -> None:
    await fill(client)
    plain = await client("GET", MAPS)
    both = await asyncio.gather(*(client("GET", MAPS, accept_encoding="gzip") for _ in range(2)))
    assert [gzip.decompress(answer.body) for answer in both] == [plain.body] * 2
    assert both[0].headers["content-encoding"] == "gzip"
    assert both[0].body is both[1].body
    await client.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "elsewhere"}})
    later = await client("GET", MAPS, accept_encoding="gzip")
    version = orjson.loads(gzip.decompress(later.body))["metadata"]["resourceVersion"]
    assert int(version) > int(plain.json()["metadata"]["resourceVersion"])


async def test_a_shared_answer_is_audited_whole(tmp_path: Path) -> None:
    policy, trail = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse, verbs: [list]}]\n")
    async with running(tmp_path, audit_policy_file=str(policy), audit_log_path=str(trail)) as client:
        await fill(client)
        found = await client.ok("GET", MAPS)
    events = [orjson.loads(line) for line in trail.read_bytes().splitlines()]
    shown = [
        e["responseObject"] for e in events if e["objectRef"]["resource"] == "configmaps" and "responseObject" in e
    ]
    assert shown == [found]
