"""The graph of owners and dependents, kept from events. Pure: events in, names of objects to look at out.

A node that only references tell of is *virtual*: it may not exist. Looking at it decides, by asking the server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Obj = dict[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Identity(NamedTuple):
    """An object as an owner reference names it. `namespace` is "" for cluster-scoped objects."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]


@dataclass(slots=True)
class Node:
    identity: Identity
    owners: tuple[Obj, ...] = ()
    dependents: set[str] = field(default_factory=set)  # uids
    deleting: bool = False
    finalizers: frozenset[str] = frozenset()
    virtual: bool = False

    @property
    def waits_for_dependents(self) -> bool:
        """It is being deleted in the foreground."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Whether this dependent holds up the foreground deletion of the owner of that uid."""
        return any(o["uid"] == owner and o.get("blockOwnerDeletion") for o in self.owners)


@dataclass(slots=True)
class Wake:
    """uids to look at: `delete` may have lost its owners, `orphan` must let its dependents go first."""

    delete: set[str] = field(default_factory=set)
    orphan: set[str] = field(default_factory=set)


class Graph:
    """uid -> node. Every method returns whom the change concerns."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def get(self, uid: str) -> Node | None:
        return self.nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        node = self.nodes.get(uid)
        return [self.nodes[d] for d in node.dependents if d in self.nodes] if node is not None else []

    def blocking(self, uid: str) -> list[Node]:
        return [d for d in self.dependents(uid) if d.blocks(uid)]

    def observe(self, identity: Identity, metadata: Obj, *, cluster_kinds: Iterable[tuple[str, str]] = ()) -> Wake:
        """An object was added or changed. `cluster_kinds` are (group, kind) without namespace, for its owners' identities."""
        wake = Wake()
        node = self.nodes.get(identity.uid)
        first = node is None or node.virtual
        if node is None:
            node = self.nodes[identity.uid] = Node(identity)
        waited, orphaned = node.waits_for_dependents, node.orphans
        wrong = node.virtual and node.identity != identity
        node.identity, node.virtual = identity, False
        before = {o["uid"]: o for o in node.owners}
        node.owners = tuple(metadata.get("ownerReferences") or ())
        node.deleting = bool(metadata.get("deletionTimestamp"))
        node.finalizers = frozenset(metadata.get("finalizers") or ())
        self._link(node, before, frozenset(cluster_kinds), wake)
        if first and (node.owners or wrong):
            wake.delete.add(identity.uid)
        if wrong:  # references that named it by another kind or namespace are invalid: look at who made them
            wake.delete.update(node.dependents)
        if node.waits_for_dependents and not waited:
            wake.delete.add(identity.uid)
            wake.delete.update(d.identity.uid for d in self.blocking(identity.uid))
        if node.orphans and not orphaned:
            wake.orphan.add(identity.uid)
        return wake

    def _link(self, node: Node, before: dict[str, Obj], cluster_kinds: frozenset[tuple[str, str]], wake: Wake) -> None:
        uid = node.identity.uid
        after = {o["uid"]: o for o in node.owners}
        for owner in before.keys() - after.keys():
            if owner in self.nodes:
                self.nodes[owner].dependents.discard(uid)
                self._after_unlink(self.nodes[owner], wake)
        for owner, reference in after.items():
            known = self.nodes.get(owner)
            if known is None:
                known = self.nodes[owner] = Node(owner_identity(node.identity, reference, cluster_kinds), virtual=True)
                wake.delete.add(owner)
            known.dependents.add(uid)
            unblocked = before.get(owner, {}).get("blockOwnerDeletion") and not reference.get("blockOwnerDeletion")
            if owner in before and unblocked:
                self._after_unlink(known, wake)
            if owner not in before and known.waits_for_dependents:
                wake.delete.update((uid, owner))
        if before.keys() - after.keys() and node.owners:
            wake.delete.add(uid)

    def _after_unlink(self, owner: Node, wake: Wake) -> None:
        if owner.waits_for_dependents:
            wake.delete.add(owner.identity.uid)
        if owner.virtual and not owner.dependents:
            self.nodes.pop(owner.identity.uid, None)

    def forget(self, uid: str) -> Wake:
        """The object is gone, or a virtual one was found not to exist: its dependents and its waiting owners care."""
        wake = Wake()
        node = self.nodes.pop(uid, None)
        if node is None:
            return wake
        for reference in node.owners:
            owner = self.nodes.get(reference["uid"])
            if owner is not None:
                owner.dependents.discard(uid)
                self._after_unlink(owner, wake)
        wake.delete.update(node.dependents)
        if node.dependents:  # they still point here; should the object come back, it finds them
            self.nodes[uid] = Node(node.identity, dependents=node.dependents, virtual=True)
        return wake


def owner_identity(child: Identity, reference: Obj, cluster_kinds: frozenset[tuple[str, str]]) -> Identity:
    """Whom a reference means: an owner lives in its dependent's namespace unless its kind has none."""
    group = reference["apiVersion"].rpartition("/")[0]
    namespace = "" if (group, reference["kind"]) in cluster_kinds else child.namespace
    return Identity(reference["apiVersion"], reference["kind"], namespace, reference["name"], reference["uid"])
