"""After any operations the cache equals the store, and what watchers were told adds up to what a list shows."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.storage.cache import EVERYTHING, Entry, Query, ResourceCache, WatchCache
from apiserver.storage.memory import MemoryStore
from tests.apiserver.storage.conftest import pod_bytes
from tests.apiserver.storage.test_cache import PODS, register, running


class Write(NamedTuple):
    """Puts a pod with a label and a node, or deletes it where `app` is None."""

    namespace: str
    name: str
    app: str | None
    node: str


writes = st.lists(
    st.builds(
        Write,
        st.sampled_from("ab"),
        st.sampled_from("xyz"),
        st.sampled_from(["web", "db", None]),
        st.sampled_from(["n1", "n2"]),
    ),
    max_size=40,
)
queries = st.builds(
    Query,
    namespace=st.sampled_from(["", "a"]),
    name=st.sampled_from(["", "x"]),
    labels=st.sampled_from([(), (("app", "web"),)]),
    fields=st.sampled_from([(), (("spec.nodeName", "n1"),)]),
    match=st.sampled_from([None, lambda entry: entry.labels.get("app") != "db"]),
)


async def apply(store: MemoryStore, write: Write) -> None:
    key = f"{PODS}{write.namespace}/{write.name}"
    found = await store.get(key)
    if write.app is None:
        if found is not None:
            await store.delete(key, revision=found.revision)
        return
    value = pod_bytes(write.name, write.namespace, node=write.node, app=write.app)
    if found is None:
        await store.create(key, value)
    else:
        await store.update(key, value, revision=found.revision)


def state(entries: list[Entry]) -> dict[str, Any]:
    return {entry.key: orjson.loads(entry.data) for entry in entries}


def told(start: dict[str, Any], frames: list[bytes]) -> dict[str, Any]:
    """What a client holds that started from a list and was told these events; checks that the events make sense."""
    held = dict(start)
    for frame in frames:
        event = orjson.loads(frame)
        metadata = event["object"]["metadata"]
        key, revision = f"{metadata['namespace']}/{metadata['name']}", int(metadata["resourceVersion"])
        assert key not in held or revision > int(held[key]["metadata"]["resourceVersion"])
        assert (event["type"] == "ADDED") == (key not in held)
        if event["type"] == "DELETED":
            assert held.pop(key)["metadata"]["name"] == metadata["name"]
        else:
            held[key] = event["object"]
    return held


async def drain(watcher: Any) -> list[bytes]:
    watcher.close()
    frames: list[bytes] = []
    while got := await watcher.next():
        frames += got
    return frames


def brute_force(pods: ResourceCache, query: Query) -> list[str]:
    def selected(entry: Entry) -> bool:
        return (
            (not query.namespace or entry.namespace == query.namespace)
            and (not query.name or entry.name == query.name)
            and all(entry.labels.get(label) == value for label, value in query.labels)
            and all(pods.field(entry, field) == value for field, value in query.fields)
            and (query.match is None or query.match(entry))
        )

    return [entry.key for entry in pods.entries() if selected(entry)]


@settings(max_examples=80, deadline=None)
@given(writes, writes, writes, queries)
def test_lists_and_watches_agree_with_the_store(
    before: list[Write], first: list[Write], second: list[Write], query: Query
) -> None:
    async def check() -> None:
        store = MemoryStore()
        for write in before:
            await apply(store, write)
        cache = WatchCache(store)
        pods = register(cache)
        async with running(cache):
            listed, at = state(pods.entries(query)), pods.current
            live = pods.watch(query)
            initial = pods.watch(query, initial=True)
            for write in first:
                await apply(store, write)
            await cache.wait_fresh()
            replayed = pods.watch(query, after=at)
            middle, at_middle = state(pods.entries(query)), pods.current
            for write in second:
                await apply(store, write)
            await cache.wait_fresh()
            later = pods.watch(query, after=at_middle)
            now = state(pods.entries(query))

            stored = (await store.list(PODS)).items
            assert [(e.key, e.revision) for e in pods.entries()] == [(s.key[len(PODS) :], s.revision) for s in stored]
            assert [entry.key for entry in pods.entries(query)] == brute_force(pods, query)
            for start, watcher in ((listed, live), (listed, replayed), ({}, initial), (middle, later)):
                assert told(start, await drain(watcher)) == now

    asyncio.run(check())


@settings(max_examples=40, deadline=None)
@given(writes)
def test_a_replay_from_any_revision_leads_to_the_same_state(changes: list[Write]) -> None:
    async def check() -> None:
        store = MemoryStore()
        cache = WatchCache(store)
        pods = register(cache)
        async with running(cache):
            states = {cache.revision: state(pods.entries())}
            for write in changes:
                await apply(store, write)
                await cache.wait_fresh()
                states[cache.revision] = state(pods.entries())
            final = state(pods.entries(EVERYTHING))
            for revision, then in states.items():
                assert told(then, await drain(pods.watch(after=revision))) == final

    asyncio.run(check())
