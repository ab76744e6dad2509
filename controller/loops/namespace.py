"""Namespace: empties a namespace that is being deleted, pods first, tells what is in the way, then lets it go."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller import conditions
from controller.context import Context, Controller, Run
from controller.discovery import Discovery, Served, discover
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import NAMESPACES, PODS

Obj = dict[str, Any]

FINALIZER = "kubernetes"
_PARALLEL = 16
_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}


@dataclass(slots=True)
class Content:
    """What a pass found: remaining objects a resource, finalizers on them, and failures in words."""

    remaining: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    undiscovered: tuple[str, ...] = ()
    wait: float = 0.0  # seconds that pods still have to end

    @property
    def empty(self) -> bool:
        return not (self.remaining or self.failures or self.undiscovered)


def judged(content: Content) -> list[Obj]:
    """The five conditions of a terminating namespace, in upstream's words."""
    remaining = ", ".join(f"{name} has {n} resource instances" for name, n in sorted(content.remaining.items()))
    finalizers = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(content.finalizers.items()))
    undiscovered = ", ".join(content.undiscovered)
    failed = ", ".join(content.failures)
    return [
        _condition(
            "NamespaceDeletionDiscoveryFailure",
            (
                "DiscoveryFailed",
                f"Discovery failed for some groups, {len(content.undiscovered)} failing: {undiscovered}",
            ),
            ("ResourcesDiscovered", "All resources successfully discovered"),
            bad=bool(undiscovered),
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            ("GroupVersionParsingFailed", ""),
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
            bad=False,
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            (
                "ContentDeletionFailed",
                f"Failed to delete all resource types, {len(content.failures)} remaining: {failed}",
            ),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            bad=bool(failed),
        ),
        _condition(
            "NamespaceContentRemaining",
            ("SomeResourcesRemain", f"Some resources are remaining: {remaining}"),
            ("ContentRemoved", "All content successfully removed"),
            bad=bool(remaining),
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {finalizers}"),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            bad=bool(finalizers),
        ),
    ]


def _condition(type: str, broken: tuple[str, str], fine: tuple[str, str], *, bad: bool) -> Obj:
    reason, message = broken if bad else fine
    return {"type": type, "status": "True" if bad else "False", "reason": reason, "message": message}


def with_conditions(old: Iterable[Obj] | None, content: Content, now: str) -> list[Obj]:
    """Every condition on the first pass; a message that changed is written too."""
    found = list(old or ())
    for new in judged(content):
        current = conditions.find(found, new["type"])
        if current is not None and current.get("message") != new["message"] and current["status"] == new["status"]:
            found = [c if c is not current else {**current, **new} for c in found]
        else:
            found = conditions.with_condition(found, new, now=now)
    return found


def deletable(discovery: Discovery) -> list[Served]:
    return [s for s in discovery.served if s.resource.namespaced and s.can("list", "delete")]


def start(context: Context) -> Run:
    return NamespaceLoop(context).run()


class NamespaceLoop:
    def __init__(self, context: Context):
        self._context = context
        self._namespaces, self._pods = context.informer(NAMESPACES), context.informer(PODS)
        workers = context.options.concurrent_namespace_syncs
        self._work = Reconciler("namespace", self._reconcile, clock=context.clock, workers=workers)
        self._namespaces.add_handler(on_add=self._changed, on_update=lambda old, new: self._changed(new))
        self._pods.add_handler(on_delete=self._pod_deleted)
        self._passes: Counter[str] = Counter()  # by uid: how often a namespace was found not empty

    def run(self) -> Run:
        return self._work.run((self._namespaces, self._pods))

    def _changed(self, namespace: Obj) -> None:
        if namespace["metadata"].get("deletionTimestamp"):
            self._work.add(namespace["metadata"]["name"])

    def _pod_deleted(self, pod: Obj) -> None:
        """The last pod was what the rest waited for."""
        name = pod["metadata"]["namespace"]
        namespace = self._namespaces.store.get(name)
        if namespace is not None and not self._pods.store.by_index("namespace", name):
            self._changed(namespace)

    async def _reconcile(self, name: str) -> float | None:
        try:
            namespace = await self._context.client.get(NAMESPACES, name)
        except errors.NotFound:
            return None
        uid = namespace["metadata"]["uid"]
        if not namespace["metadata"].get("deletionTimestamp"):
            return None
        if FINALIZER not in (namespace["spec"].get("finalizers") or ()):
            return None
        content = await self._empty(namespace)
        namespace = await self._report(namespace, content)
        if not content.empty:
            self._passes[uid] += 1
            return max(content.wait / 2, min(5.0, 0.1 * 2.0 ** min(self._passes[uid], 10)))
        del self._passes[uid]
        kept = [f for f in namespace["spec"]["finalizers"] if f != FINALIZER]
        final = {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}
        try:
            await self._context.client.update(NAMESPACES, final, subresource="finalize")
        except errors.NotFound:
            return None
        return None

    async def _report(self, namespace: Obj, content: Content) -> Obj:
        old = namespace.get("status") or {}
        found = with_conditions(old.get("conditions"), content, rfc3339(self._context.clock.now()))
        status = {**old, "phase": "Terminating", "conditions": found}
        if status == old:
            return namespace
        return await self._context.client.update_status(NAMESPACES, {**namespace, "status": status})

    async def _empty(self, namespace: Obj) -> Content:
        """One pass over every resource: delete what is there, count what stays. Nothing but pods while pods stay."""
        discovery = await discover(self._context.client)
        content = Content(undiscovered=discovery.failed)
        name = namespace["metadata"]["name"]
        pods = [s for s in deletable(discovery) if s.resource[:3] == PODS[:3]]
        others = [s for s in deletable(discovery) if s.resource[:3] != PODS[:3]]
        await self._delete_all(pods, name, content)
        if not content.remaining and not content.failures:
            await self._delete_all(others, name, content)
        content.wait = max(
            (p["spec"].get("terminationGracePeriodSeconds") or 0 for p in self._pods_of(content, name)), default=0
        )
        return content

    def _pods_of(self, content: Content, name: str) -> Sequence[Obj]:
        """Pods that run and must end before anything else; a pod that was never bound is gone at once."""
        if not content.remaining["pods."]:
            return []
        return [p for p in self._pods.store.by_index("namespace", name) if p["spec"].get("nodeName")]

    async def _delete_all(self, served: Sequence[Served], namespace: str, content: Content) -> None:
        turn = asyncio.Semaphore(_PARALLEL)

        async def one(resource: Served) -> None:
            async with turn:
                try:
                    left = await self._delete_one(resource, namespace)
                except (errors.NotFound, errors.MethodNotAllowed):
                    return
                except errors.StatusError as error:
                    content.failures.append(f"{resource.resource.qualified}: {error}")
                    return
            _count(content, resource, left)

        await asyncio.gather(*(one(s) for s in served))

    async def _delete_one(self, served: Served, namespace: str) -> list[Obj]:
        """What is left of one resource after deleting it."""
        resource, client = served.resource, self._context.client
        found = await self._list(served, namespace)
        if not found:
            return []
        if served.can("deletecollection"):
            await client.delete_collection(resource, namespace, propagation="Background")
        else:
            for item in found:
                try:
                    await client.delete(resource, item["metadata"]["name"], namespace, propagation="Background")
                except errors.NotFound:
                    continue
        return await self._list(served, namespace)

    async def _list(self, served: Served, namespace: str) -> list[Obj]:
        answer = await self._context.client.request("GET", served.resource.path(namespace), headers=_LIST)
        items: list[Obj] = answer.get("items") or []
        return items


def _count(content: Content, served: Served, left: Sequence[Mapping[str, Any]]) -> None:
    if not left:
        return
    resource = served.resource
    content.remaining[f"{resource.plural}.{resource.group}"] += len(left)
    for item in left:
        for finalizer in item["metadata"].get("finalizers") or ():
            content.finalizers[finalizer] += 1


CONTROLLER = Controller("namespace-controller", "namespace-controller", start, aliases=("namespace",))
