"""What every Store promises."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from apiserver.storage.interface import (
    Batch,
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    RevisionMismatch,
    Store,
)

KEY = "/registry/pods/default/web"


async def take(
    store: Store, count: int, *, prefix: str = "/registry/", after: int, previous: bool = False
) -> list[Change]:
    """The next `count` changes of a watch."""
    found: list[Change] = []
    stream: Any = store.watch(prefix, after=after, previous=previous)
    async with asyncio.timeout(10), aclosing(stream):
        async for batch in stream:
            found += batch.changes
            if len(found) >= count:
                break
    return found


async def test_create_then_get(store: Store) -> None:
    revision = await store.create(KEY, b"{}")
    found = await store.get(KEY)
    assert found is not None
    assert (found.key, found.value, found.revision, found.created) == (KEY, b"{}", revision, revision)
    assert await store.current_revision() == revision


async def test_get_of_nothing(store: Store) -> None:
    assert await store.get(KEY) is None


async def test_create_twice(store: Store) -> None:
    await store.create(KEY, b"1")
    with pytest.raises(KeyExists):
        await store.create(KEY, b"2")


async def test_update_keeps_the_creation_and_moves_the_revision(store: Store) -> None:
    created = await store.create(KEY, b"1")
    updated = await store.update(KEY, b"2", revision=created)
    found = await store.get(KEY)
    assert found is not None and updated > created
    assert (found.value, found.revision, found.created) == (b"2", updated, created)


async def test_stale_update_shows_what_is_there(store: Store) -> None:
    created = await store.create(KEY, b"1")
    updated = await store.update(KEY, b"2", revision=created)
    with pytest.raises(RevisionMismatch) as raised:
        await store.update(KEY, b"3", revision=created)
    assert (raised.value.current.value, raised.value.current.revision) == (b"2", updated)


async def test_update_and_delete_of_nothing(store: Store) -> None:
    with pytest.raises(KeyMissing):
        await store.update(KEY, b"1", revision=1)
    with pytest.raises(KeyMissing):
        await store.delete(KEY, revision=1)


async def test_delete(store: Store) -> None:
    created = await store.create(KEY, b"1")
    deleted = await store.delete(KEY, revision=created)
    assert deleted > created
    assert await store.get(KEY) is None


async def test_stale_delete(store: Store) -> None:
    created = await store.create(KEY, b"1")
    await store.update(KEY, b"2", revision=created)
    with pytest.raises(RevisionMismatch):
        await store.delete(KEY, revision=created)
    assert await store.get(KEY) is not None


async def test_list_is_ordered_and_by_prefix(store: Store) -> None:
    for key in ("/registry/pods/b/x", "/registry/pods/a/y", "/registry/podtemplates/a/z", "/registry/nodes/n"):
        last = await store.create(key, key.encode())
    page = await store.list("/registry/pods/")
    assert [item.key for item in page.items] == ["/registry/pods/a/y", "/registry/pods/b/x"]
    assert (page.revision, page.more, page.remaining) == (last, False, 0)


async def test_pages_of_one_revision(store: Store) -> None:
    for number in range(5):
        last = await store.create(f"/registry/pods/a/{number}", b"1")
    first = await store.list("/registry/pods/", limit=2)
    assert ([item.key[-1] for item in first.items], first.more, first.remaining) == (["0", "1"], True, 3)
    await store.delete("/registry/pods/a/3", revision=last - 1)
    await store.create("/registry/pods/a/2x", b"1")
    rest = await store.list("/registry/pods/", limit=9, start=first.items[-1].key + "\0", revision=first.revision)
    assert ([item.key[-1] for item in rest.items], rest.more, rest.remaining) == (["2", "3", "4"], False, 0)


async def test_list_of_the_future(store: Store) -> None:
    with pytest.raises(FutureRevision):
        await store.list("/registry/", revision=1000)


async def test_list_and_watch_of_what_was_compacted(store: Store) -> None:
    first = await store.create(KEY, b"1")
    second = await store.update(KEY, b"2", revision=first)
    await store.update(KEY, b"3", revision=second)
    await store.compact(second)
    with pytest.raises(Compacted) as raised:
        await store.list("/registry/", revision=first)
    assert raised.value.revision == second
    with pytest.raises(Compacted):
        await take(store, 1, after=first - 1)
    assert [change.value for change in await take(store, 1, after=second)] == [b"3"]
    with pytest.raises(Compacted):
        await store.compact(first)


async def test_watch_replays_then_follows(store: Store) -> None:
    start = await store.current_revision()
    first = await store.create(KEY, b"1")
    await store.create("/other", b"x")
    following = asyncio.create_task(take(store, 3, after=start))
    second = await store.update(KEY, b"2", revision=first)
    third = await store.delete(KEY, revision=second)
    changes = await following
    assert [(c.value, c.revision, c.deleted, c.previous) for c in changes] == [
        (b"1", first, False, None),
        (b"2", second, False, None),
        (b"", third, True, None),
    ]


async def test_watch_with_previous_values(store: Store) -> None:
    """line 7: a deletion brings the last value."""
    first = await store.create(KEY, b"1")
    second = await store.update(KEY, b"2", revision=first)
    await store.delete(KEY, revision=second)
    changes = await take(store, 3, after=first - 1, previous=True)
    before = [change.previous and (change.previous.value, change.previous.revision) for change in changes]
    assert before == [None, (b"1", first), (b"2", second)]


async def test_watch_reaches_every_revision_of_the_store(store: Store) -> None:
    """A change outside the prefix comes as progress: a reader that waits for a revision is never left waiting."""
    start = await store.current_revision()
    outside = await store.create("/elsewhere", b"1")
    stream: Any = store.watch("/registry/", after=start)
    async with asyncio.timeout(10), aclosing(stream):
        batch: Batch = await anext(stream)
    assert (list(batch.changes), batch.revision) == ([], outside)


async def test_concurrent_updates_of_one_revision(store: Store) -> None:
    created = await store.create(KEY, b"0")
    tries = [store.update(KEY, b"%d" % number, revision=created) for number in range(10)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, RevisionMismatch) for result in results) == 9


async def test_current_revision_sees_every_acknowledged_write(store: Store) -> None:
    async def write(number: int) -> None:
        revision = await store.create(f"/registry/pods/a/{number}", b"1")
        assert await store.current_revision() >= revision

    await asyncio.gather(*(write(number) for number in range(50)))


async def test_keys_expire(store: Store) -> None:
    start = await store.create(KEY, b"1", ttl_seconds=1)
    changes = await take(store, 1, after=start)
    assert (changes[0].key, changes[0].deleted) == (KEY, True)


async def test_an_update_without_ttl_keeps_the_key(store: Store) -> None:
    created = await store.create(KEY, b"1", ttl_seconds=1)
    start = await store.create("/registry/pods/default/other", b"1", ttl_seconds=1)
    await store.update(KEY, b"2", revision=created)
    changes = await take(store, 2, after=start)
    assert [(change.key, change.deleted) for change in changes] == [
        (KEY, False),
        ("/registry/pods/default/other", True),
    ]
