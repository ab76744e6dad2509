"""The collector's hands: looks at one object at a time, asks the server about its owners, and writes."""

from __future__ import annotations

from typing import Any

from controller.context import Context, Run
from controller.loops.garbage_collector.graph import FOREGROUND, ORPHAN, Graph, Identity, Node, Wake
from controller.loops.garbage_collector.monitors import Monitors
from controller.loops.garbage_collector.plan import Action, Delete, DropOwners, Standing, plan, standing
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.client.resources import Resource

Obj = dict[str, Any]

_ONE = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"}


class UnknownKind(errors.StatusError):
    """A reference names a kind that the server does not serve (yet)."""


async def _nothing() -> None:
    """--enable-garbage-collector=false."""


def start(context: Context) -> Run:
    return GarbageCollector(context).run() if context.options.enable_garbage_collector else _nothing()


class GarbageCollector:
    def __init__(self, context: Context):
        self._context = context
        self._graph = Graph()
        self._monitors = Monitors(context, changed=self._changed, deleted=self._deleted)
        workers = context.options.concurrent_gc_syncs
        self._delete = Reconciler("gc-delete", self._look, clock=context.clock, workers=workers)
        self._orphan = Reconciler("gc-orphan", self._let_go, clock=context.clock, workers=workers)
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._cluster_kinds: frozenset[tuple[str, str]] = frozenset()
        self._kinds_of = self._monitors.discovery

    async def run(self) -> None:
        async def work() -> None:
            await self._monitors.synced.wait()
            await tasks.run_tasks({"gc-delete": self._delete.run(), "gc-orphan": self._orphan.run()})

        await tasks.run_tasks({"gc-monitors": self._monitors.run(), "gc-work": work()})

    # --- events

    def _changed(self, resource: Resource, obj: Obj) -> None:
        self._wake(
            self._graph.observe(_identity(resource, obj), obj["metadata"], cluster_kinds=self._known_cluster_kinds())
        )

    def _deleted(self, resource: Resource, obj: Obj) -> None:
        self._wake(self._graph.forget(obj["metadata"]["uid"]))

    def _wake(self, wake: Wake) -> None:
        for uid in wake.delete:
            self._delete.add(uid)
        for uid in wake.orphan:
            self._orphan.add(uid)

    def _refresh_kinds(self) -> None:
        if self._kinds_of is not self._monitors.discovery:
            self._kinds_of = self._monitors.discovery
            self._kinds = self._kinds_of.by_kind()
            self._cluster_kinds = frozenset(k for k, r in self._kinds.items() if not r.namespaced)

    def _known_cluster_kinds(self) -> frozenset[tuple[str, str]]:
        self._refresh_kinds()
        return self._cluster_kinds

    # --- one object

    async def _look(self, uid: str) -> float | None:
        node = self._graph.get(uid)
        if node is None or (node.deleting and not node.waits_for_dependents):
            return None
        live = await self._get(node.identity)
        if live is None or live["metadata"]["uid"] != uid:
            self._wake(self._graph.forget(uid))
            return None
        if node.virtual:  # it exists; its own event will make it real
            return None
        metadata = live["metadata"]
        if metadata.get("deletionTimestamp") and FOREGROUND in (metadata.get("finalizers") or ()):
            await self._finish_foreground(node, live)
            return None
        if metadata.get("deletionTimestamp"):
            return None
        standings = {r["uid"]: await self._standing(node, r) for r in metadata.get("ownerReferences") or ()}
        dependents = self._graph.dependents(uid)
        waits = any(d.waits_for_dependents for d in dependents)
        await self._act(node, live, plan(live, standings, has_dependents=bool(dependents), dependents_wait=waits))
        return None

    async def _standing(self, node: Node, reference: Obj) -> Standing:
        group = reference["apiVersion"].rpartition("/")[0]
        resource = self._resource(group, reference["kind"])
        if resource.namespaced and not node.identity.namespace:
            return "solid"  # a cluster-scoped object cannot have a namespaced owner: such a reference decides nothing
        namespace = node.identity.namespace if resource.namespaced else ""
        try:
            owner = await self._context.client.request("GET", resource.path(namespace, reference["name"]), headers=_ONE)
        except errors.NotFound:
            owner = None
        return standing(owner, reference)

    async def _act(self, node: Node, live: Obj, action: Action) -> None:
        resource = self._resource(node.identity.group, node.identity.kind)
        name, namespace, uid = node.identity.name, node.identity.namespace, node.identity.uid
        try:
            if isinstance(action, DropOwners):
                kept = [r for r in live["metadata"]["ownerReferences"] if r["uid"] not in action.uids]
                await self._patch(resource, live, {"ownerReferences": kept})
            elif isinstance(action, Delete):
                if action.unblock:
                    free = [{**r, "blockOwnerDeletion": False} for r in live["metadata"]["ownerReferences"]]
                    live = await self._patch(resource, live, {"ownerReferences": free})
                version = live["metadata"].get("resourceVersion")
                await self._context.client.delete(
                    resource, name, namespace, propagation=action.propagation, uid=uid, resource_version=version
                )
        except errors.NotFound:
            return

    async def _finish_foreground(self, node: Node, live: Obj) -> None:
        """Lets the owner go once nothing that blocks it is left; until then its dependents are looked at."""
        blocking = self._graph.blocking(node.identity.uid)
        if not blocking:
            await self._drop_finalizer(node, live, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.waits_for_dependents:
                self._delete.add(dependent.identity.uid)

    async def _let_go(self, uid: str) -> float | None:
        """Orphans all dependents; only when every one is free does the owner lose its finalizer."""
        node = self._graph.get(uid)
        if node is None or not node.orphans:
            return None
        for dependent in self._graph.dependents(uid):
            await self._free(dependent, uid)
        live = await self._get(node.identity)
        if live is not None and live["metadata"]["uid"] == uid:
            await self._drop_finalizer(node, live, ORPHAN)
        return None

    async def _free(self, dependent: Node, owner: str) -> None:
        live = await self._get(dependent.identity)
        if live is None or live["metadata"]["uid"] != dependent.identity.uid:
            return
        references = live["metadata"].get("ownerReferences") or []
        kept = [r for r in references if r["uid"] != owner]
        if len(kept) == len(references):
            return
        try:
            resource = self._resource(dependent.identity.group, dependent.identity.kind)
            await self._patch(resource, live, {"ownerReferences": kept})
        except errors.NotFound:
            return

    async def _drop_finalizer(self, node: Node, live: Obj, finalizer: str) -> None:
        kept = [f for f in live["metadata"].get("finalizers") or () if f != finalizer]
        try:
            await self._patch(self._resource(node.identity.group, node.identity.kind), live, {"finalizers": kept})
        except errors.NotFound:
            return

    # --- the wire

    def _resource(self, group: str, kind: str) -> Resource:
        self._refresh_kinds()
        found = self._kinds.get((group, kind))
        if found is None:
            raise UnknownKind(f'no matches for kind "{kind}" in group "{group}"')
        return found

    async def _get(self, identity: Identity) -> Obj | None:
        resource = self._resource(identity.group, identity.kind)
        namespace = identity.namespace if resource.namespaced else ""
        if resource.namespaced and not namespace:
            return None
        try:
            return await self._context.client.request("GET", resource.path(namespace, identity.name), headers=_ONE)
        except errors.NotFound:
            return None

    async def _patch(self, resource: Resource, live: Obj, metadata: Obj) -> Obj:
        """Lists in a merge patch replace: only right for the very version they were read from."""
        found = live["metadata"]
        changes = {k: v or None for k, v in metadata.items()}  # null leaves no empty list behind
        patch = {"metadata": {"uid": found["uid"], "resourceVersion": found["resourceVersion"], **changes}}
        return await self._context.client.patch(
            resource, found["name"], patch, namespace=found.get("namespace", ""), type="merge"
        )


def _identity(resource: Resource, obj: Obj) -> Identity:
    metadata = obj["metadata"]
    return Identity(
        resource.api_version, resource.kind, metadata.get("namespace", ""), metadata["name"], metadata["uid"]
    )
