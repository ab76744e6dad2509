"""What happens in the cluster reaches the scheduler here: informers' events become snapshot, queue and wake-ups."""

from __future__ import annotations

from typing import Any

from pocketkube.client import resources
from pocketkube.client.informer import Informers
from pocketkube.client.resources import NAMESPACES, NODES, PODS, Resource
from scheduler.framework import NODE_ADDED, NODE_UPDATED, POD_ADDED, POD_DELETED, POD_UPDATED, Event
from scheduler.pod_info import PodInfo
from scheduler.scheduler import Scheduler
from scheduler.snapshot import counts_alike

Obj = dict[str, Any]

LIVING_PODS = "status.phase!=Succeeded,status.phase!=Failed"


class Feed:
    """`wakes`: kinds of events that plugins wait for; the plurals among them get an informer."""

    def __init__(self, informers: Informers, scheduler: Scheduler, wakes: frozenset[str]):
        self._scheduler, self._snapshot, self._queue = scheduler, scheduler.snapshot, scheduler.queue
        pods = informers.of(PODS, field_selector=LIVING_PODS)
        pods.add_handler(on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted)
        nodes = informers.of(NODES)
        nodes.add_handler(on_add=self._node_set, on_update=self._node_updated, on_delete=self._node_deleted)
        namespaces = informers.of(NAMESPACES, optional=True)  # until v1.20 schedulers may not list them
        namespaces.add_handler(
            on_add=self._namespace_set,
            on_update=lambda _, new: self._namespace_set(new),
            on_delete=lambda old: self._snapshot.set_namespace(old["metadata"]["name"], None),
        )
        for resource in _named(wakes):
            self._watch(informers, resource)

    # --- pods

    def _pod_added(self, pod: Obj) -> None:
        if pod["spec"].get("nodeName"):
            self._snapshot.set_pod(pod)
            self._queue.happened(Event(POD_ADDED, None, pod))
        elif self._scheduler.responsible_for(pod) and not pod["metadata"].get("deletionTimestamp"):
            info = PodInfo(pod)
            if info.nominated_node:
                self._snapshot.nominate(info, info.nominated_node)
            self._queue.add(info)

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if not new["spec"].get("nodeName"):
            self._waiting_pod_updated(new)
            return
        uid = new["metadata"]["uid"]
        self._snapshot.set_pod(new)
        if not old["spec"].get("nodeName"):
            self._bound(uid, new)
        elif not counts_alike(old, new):
            self._queue.happened(Event(POD_UPDATED, old, new))

    def _bound(self, uid: str, pod: Obj) -> None:
        waiting = self._queue.get(uid)
        if waiting is not None:
            self._snapshot.nominate(waiting.pod, "")
            self._queue.remove(uid)
        self._queue.happened(Event(POD_ADDED, None, pod))

    def _waiting_pod_updated(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        if not self._scheduler.responsible_for(pod) or self._snapshot.is_assumed(uid):
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._drop(uid)
        elif self._queue.get(uid) is not None:
            self._queue.update(PodInfo(pod))
        else:
            self._pod_added(pod)

    def _pod_deleted(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        self._drop(uid)
        if self._snapshot.node_of(uid):
            self._snapshot.remove_pod(uid)
            self._queue.happened(Event(POD_DELETED, pod, None))

    def _drop(self, uid: str) -> None:
        waiting = self._queue.get(uid)
        if waiting is not None:
            held = bool(self._snapshot.nominated)
            self._snapshot.nominate(waiting.pod, "")
            self._queue.remove(uid)
            if held:
                self._queue.happened(Event(POD_DELETED, waiting.pod.pod, None))

    # --- the rest

    def _node_set(self, node: Obj) -> None:
        self._snapshot.set_node(node)
        self._queue.happened(Event(NODE_ADDED, None, node))

    def _node_updated(self, old: Obj, new: Obj) -> None:
        if self._snapshot.set_node(new):
            self._queue.happened(Event(NODE_UPDATED, old, new))

    def _node_deleted(self, node: Obj) -> None:
        self._snapshot.remove_node(node["metadata"]["name"])

    def _namespace_set(self, namespace: Obj) -> None:
        meta = namespace["metadata"]
        before = self._snapshot.namespaces_version
        self._snapshot.set_namespace(meta["name"], meta.get("labels") or {})
        if before != self._snapshot.namespaces_version:
            self._queue.happened(Event(NAMESPACES.plural, None, namespace))

    def _watch(self, informers: Informers, resource: Resource) -> None:
        kind, happened = resource.plural, self._queue.happened
        informers.of(resource).add_handler(
            on_add=lambda new: happened(Event(kind, None, new)),
            on_update=lambda old, new: happened(Event(kind, old, new)),
            on_delete=lambda old: happened(Event(kind, old, None)),
        )


def _named(wakes: frozenset[str]) -> list[Resource]:
    known = {r.plural: r for r in vars(resources).values() if isinstance(r, Resource)}
    return [known[kind] for kind in sorted(wakes) if kind in known and kind != NAMESPACES.plural]
