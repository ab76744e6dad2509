"""Garbage collection: the graph and the verdicts, driven over a simulated server until nothing moves."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.loops.garbage_collector.graph import FOREGROUND, ORPHAN, Graph, Identity, Wake
from controller.loops.garbage_collector.plan import Delete, DropOwners, Keep, plan, standing

Obj = dict[str, Any]


def ref(name: str, *, block: bool = False) -> Obj:
    return {"apiVersion": "v1", "kind": "Thing", "name": name, "uid": f"u-{name}", "blockOwnerDeletion": block}


def thing(name: str, *owners: Obj, deleting: bool = False, finalizers: tuple[str, ...] = ()) -> Obj:
    metadata: Obj = {"name": name, "namespace": "ns", "uid": f"u-{name}", "ownerReferences": list(owners)}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-21T03:00:00Z"
    return {"metadata": {**metadata, "finalizers": list(finalizers)}}


@pytest.mark.parametrize(
    ("owners", "dependents", "expected"),
    [
        pytest.param({}, (False, False), Keep(), id="no owners"),
        pytest.param({"a": "solid"}, (False, False), Keep(), id="owner lives"),
        pytest.param({"a": "solid", "b": "dangling"}, (False, False), DropOwners(("u-b",)), id="one of two is gone"),
        pytest.param({"a": "solid", "b": "waiting"}, (True, False), DropOwners(("u-b",)), id="one of two is going"),
        pytest.param({"a": "dangling"}, (False, False), Delete("Background"), id="owner is gone"),
        pytest.param({"a": "waiting"}, (False, False), Delete("Background"), id="owner waits, nothing below"),
        pytest.param({"a": "waiting"}, (True, False), Delete("Foreground"), id="owner waits, more below"),
        pytest.param({"a": "waiting"}, (True, True), Delete("Foreground", unblock=True), id="a circle"),
    ],
)
def test_verdict(owners: dict[str, Any], dependents: tuple[bool, bool], expected: Any) -> None:
    live = thing("x", *(ref(n) for n in owners))
    found = {f"u-{n}": s for n, s in owners.items()}
    assert plan(live, found, has_dependents=dependents[0], dependents_wait=dependents[1]) == expected


def test_an_owner_of_another_uid_does_not_exist() -> None:
    """line 36: owners are known by UID."""
    assert standing(thing("a"), {**ref("a"), "uid": "older"}) == "dangling"
    assert standing(thing("a"), ref("a")) == "solid"
    going = thing("a", deleting=True, finalizers=(FOREGROUND,))
    assert standing(going, ref("a", block=True)) == "waiting"
    assert standing(going, ref("a")) == "solid"
    assert standing(None, ref("a")) == "dangling"


class Server:
    """Objects with deletion as the API server does it, the graph that sees each event, and the collector's hands."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.graph = Graph()
        self.queue: deque[tuple[str, str]] = deque()

    def put(self, obj: Obj) -> None:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            if self.objects.pop(metadata["uid"], None) is not None:
                self.wake(self.graph.forget(metadata["uid"]))
            return
        self.objects[metadata["uid"]] = obj
        self.wake(self.graph.observe(identity(obj), metadata))

    def wake(self, found: Wake) -> None:
        self.queue.extend(("delete", u) for u in sorted(found.delete))
        self.queue.extend(("orphan", u) for u in sorted(found.orphan))

    def delete(self, uid: str, propagation: str) -> None:
        obj = self.objects.get(uid)
        if obj is None:
            return
        finalizers = [f for f in obj["metadata"]["finalizers"] if f not in (FOREGROUND, ORPHAN)]
        finalizers += {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])
        stamp = {"deletionTimestamp": "2026-11-21T03:00:00Z", "finalizers": finalizers}
        self.put({"metadata": {**obj["metadata"], **stamp}})

    def patch(self, uid: str, **metadata: Any) -> None:
        if uid in self.objects:
            self.put({"metadata": {**self.objects[uid]["metadata"], **metadata}})

    def settle(self) -> None:
        for _ in range(20_000):
            if not self.queue:
                return
            kind, uid = self.queue.popleft()
            self.look(uid) if kind == "delete" else self.let_go(uid)
        raise AssertionError("collection does not end")

    def look(self, uid: str) -> None:
        node = self.graph.get(uid)
        if node is None or (node.deleting and not node.waits_for_dependents):
            return
        live = self.objects.get(uid)
        if live is None:
            self.wake(self.graph.forget(uid))
            return
        if node.virtual:
            return
        if node.waits_for_dependents:
            blocking = self.graph.blocking(uid)
            if not blocking:
                self.patch(uid, finalizers=[f for f in live["metadata"]["finalizers"] if f != FOREGROUND])
            self.queue.extend(("delete", d.identity.uid) for d in blocking if not d.waits_for_dependents)
            return
        found = {r["uid"]: standing(self.objects.get(r["uid"]), r) for r in live["metadata"]["ownerReferences"]}
        dependents = self.graph.dependents(uid)
        waits = any(d.waits_for_dependents for d in dependents)
        action = plan(live, found, has_dependents=bool(dependents), dependents_wait=waits)
        if isinstance(action, DropOwners):
            self.patch(
                uid, ownerReferences=[r for r in live["metadata"]["ownerReferences"] if r["uid"] not in action.uids]
            )
        elif isinstance(action, Delete):
            if action.unblock:
                free = [{**r, "blockOwnerDeletion": False} for r in live["metadata"]["ownerReferences"]]
                self.patch(uid, ownerReferences=free)
            self.delete(uid, action.propagation)

    def let_go(self, uid: str) -> None:
        for dependent in self.graph.dependents(uid):
            live = self.objects.get(dependent.identity.uid)
            if live is not None:
                kept = [r for r in live["metadata"]["ownerReferences"] if r["uid"] != uid]
                self.patch(dependent.identity.uid, ownerReferences=kept)
        if uid in self.objects:
            self.patch(uid, finalizers=[f for f in self.objects[uid]["metadata"]["finalizers"] if f != ORPHAN])


def identity(obj: Obj) -> Identity:
    metadata = obj["metadata"]
    return Identity("v1", "Thing", "ns", metadata["name"], metadata["uid"])


def family(*, block: bool = False) -> Server:
    """a owns b, b owns c."""
    server = Server()
    for obj in (thing("a"), thing("b", ref("a", block=block)), thing("c", ref("b", block=block))):
        server.put(obj)
    server.settle()
    return server


def test_background_takes_the_whole_tree() -> None:
    server = family()
    server.delete("u-a", "Background")
    assert "u-a" not in server.objects
    server.settle()
    assert not server.objects


def test_foreground_takes_the_leaves_first() -> None:
    """line 36: foreground owners wait."""
    server = family(block=True)
    server.delete("u-a", "Foreground")
    assert server.objects.keys() == {"u-a", "u-b", "u-c"}
    server.settle()
    assert not server.objects


def test_foreground_waits_for_a_blocked_leaf() -> None:
    server = family(block=True)
    server.patch("u-c", finalizers=["mine"])
    server.delete("u-a", "Foreground")
    server.settle()
    assert server.objects.keys() == {"u-a", "u-b", "u-c"}
    server.patch("u-c", finalizers=[])
    server.settle()
    assert not server.objects


def test_orphans_are_freed_before_the_owner_goes() -> None:
    """line 36: orphaning finishes first."""
    server = family()
    server.delete("u-a", "Orphan")
    server.settle()
    assert server.objects.keys() == {"u-b", "u-c"}
    assert server.objects["u-b"]["metadata"]["ownerReferences"] == []


def test_a_dependent_that_names_nobody_goes() -> None:
    server = Server()
    server.put(thing("x", ref("never")))
    server.settle()
    assert not server.objects


def test_an_owner_seen_later_keeps_its_dependent() -> None:
    server = Server()
    owner = thing("a")
    server.objects["u-a"] = owner  # the server has it, its event has not come yet
    server.put(thing("b", ref("a")))
    server.settle()
    server.put(owner)
    server.settle()
    assert server.objects.keys() == {"u-a", "u-b"}


def test_a_circle_of_foreground_deletions_ends() -> None:
    """line 36: cycles resolve."""
    server = Server()
    for obj in (thing("a", ref("b", block=True)), thing("b", ref("a", block=True))):
        server.objects[obj["metadata"]["uid"]] = obj
        server.wake(server.graph.observe(identity(obj), obj["metadata"]))
    server.settle()
    server.delete("u-a", "Foreground")
    server.settle()
    assert not server.objects


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_what_has_a_living_owner_lives_and_nothing_hangs(data: st.DataObject) -> None:
    """Random trees of up to eight objects, some roots deleted in any way: afterwards every object with owners has a living
    one, nothing is left half deleted, and no root that nobody deleted is gone."""
    server = Server()
    count = data.draw(st.integers(1, 8))
    for n in range(count):
        owners = data.draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True)) if n else []
        server.put(thing(str(n), *(ref(str(o), block=data.draw(st.booleans())) for o in owners)))
    server.settle()
    had_owners = {u for u, o in server.objects.items() if o["metadata"]["ownerReferences"]}
    doomed = data.draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.sampled_from(["Background", "Foreground", "Orphan"])))
    )
    for n, propagation in doomed:
        server.delete(f"u-{n}", propagation)
        if data.draw(st.booleans()):
            server.settle()
    server.settle()
    for obj in server.objects.values():
        owners = obj["metadata"]["ownerReferences"]
        assert not obj["metadata"].get("deletionTimestamp")
        assert not owners or any(o["uid"] in server.objects for o in owners)
    gone = {f"u-{n}" for n in range(count)} - server.objects.keys()
    assert gone <= had_owners | {f"u-{n}" for n, _ in doomed}
