"""Pod GC: deletes what nobody else will: pods of nodes that are gone, terminating pods never scheduled, too many finished ones."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.conditions import with_condition
from controller.context import Context, Controller, Run
from controller.pods import is_terminal
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import NODES, PODS

Obj = dict[str, Any]

PERIOD_SECONDS = 20.0
QUARANTINE_SECONDS = 40.0  # a node that was deleted may come right back
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


@dataclass(frozen=True, slots=True)
class Deletion:
    """`message` explains the DisruptionTarget condition; "" sets none."""

    pod: Obj
    message: str = ""


def plan(pods: Iterable[Obj], nodes: Mapping[str, Obj], gone: Container[str], *, threshold: int) -> list[Deletion]:
    """`gone` are names of nodes known not to exist. `threshold` finished pods may stay; 0 keeps all."""
    found: dict[str, Deletion] = {}
    finished: list[Obj] = []
    for pod in pods:
        node = pod["spec"].get("nodeName") or ""
        uid = pod["metadata"]["uid"]
        deleting = bool(pod["metadata"].get("deletionTimestamp"))
        if node and node not in nodes and node in gone:
            found[uid] = Deletion(pod, "PodGC: node no longer exists")
        elif deleting and not node:
            found[uid] = Deletion(pod)
        elif deleting and node in nodes and _out_of_service(nodes[node]):
            found[uid] = Deletion(pod, "PodGC: terminating pod is on a node that is out of service")
        elif is_terminal(pod) and not deleting:
            finished.append(pod)
    surplus = len(finished) - threshold
    if threshold > 0 and surplus > 0:
        finished.sort(key=lambda p: (p["metadata"].get("creationTimestamp") or "", p["metadata"]["name"]))
        found.update((p["metadata"]["uid"], Deletion(p)) for p in finished[:surplus])
    return list(found.values())


def _out_of_service(node: Obj) -> bool:
    ready = next((c for c in (node.get("status") or {}).get("conditions") or () if c["type"] == "Ready"), None)
    tainted = any(t["key"] == OUT_OF_SERVICE for t in (node.get("spec") or {}).get("taints") or ())
    return tainted and (ready is None or ready["status"] != "True")


def start(context: Context) -> Run:
    return PodGarbageCollector(context).run()


class PodGarbageCollector:
    def __init__(self, context: Context):
        self._context = context
        self._pods, self._nodes = context.informer(PODS), context.informer(NODES)
        self._missing: dict[str, float] = {}  # node name -> since when it is not in the cache, monotonic
        self._work = Reconciler("pod-gc", self._reconcile, clock=context.clock, workers=1)
        self._nodes.add_handler(on_delete=lambda old: self._work.add("all"))
        self._pods.add_handler(on_update=self._pod_updated)

    async def run(self) -> None:
        self._work.add("all")
        await self._work.run((self._pods, self._nodes))

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if new["metadata"].get("deletionTimestamp") and not new["spec"].get("nodeName"):
            self._work.add("all")

    async def _reconcile(self, key: str) -> float:
        nodes = {n["metadata"]["name"]: n for n in self._nodes.store.list()}
        pods = self._pods.store.list()
        gone = await self._gone(pods, nodes)
        decided = plan(pods, nodes, gone, threshold=self._context.options.terminated_pod_gc_threshold)
        await asyncio.gather(*(self._delete(d) for d in decided))
        return PERIOD_SECONDS

    async def _gone(self, pods: Iterable[Obj], nodes: Mapping[str, Obj]) -> set[str]:
        """Nodes that pods name and that have been missing for the quarantine, confirmed by the server."""
        now = self._context.clock.monotonic()
        named = {n for p in pods if (n := p["spec"].get("nodeName")) and n not in nodes}
        self._missing = {n: self._missing.get(n, now) for n in named}
        due = [n for n, since in self._missing.items() if now - since >= QUARANTINE_SECONDS]
        return {n for n in due if not await self._exists(n)}

    async def _exists(self, node: str) -> bool:
        try:
            await self._context.client.get(NODES, node)
        except errors.NotFound:
            return False
        return True

    async def _delete(self, deletion: Deletion) -> None:
        pod = deletion.pod
        metadata = pod["metadata"]
        try:
            if deletion.message and not is_terminal(pod):
                await self._mark_failed(pod, deletion.message)
            await self._context.client.delete(
                PODS, metadata["name"], metadata["namespace"], grace=0, uid=metadata["uid"]
            )
        except (errors.NotFound, errors.Conflict):
            return

    async def _mark_failed(self, pod: Obj, message: str) -> None:
        """So that a Job's podFailurePolicy sees why the pod ended."""
        new = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": message}
        now = rfc3339(self._context.clock.now())
        conditions = with_condition((pod.get("status") or {}).get("conditions"), new, now=now)
        changed = next(c for c in conditions if c["type"] == "DisruptionTarget")
        patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"phase": "Failed", "conditions": [changed]}}
        await self._context.client.patch(
            PODS,
            pod["metadata"]["name"],
            patch,
            namespace=pod["metadata"]["namespace"],
            type="strategic",
            subresource="status",
        )


CONTROLLER = Controller("pod-garbage-collector-controller", "pod-garbage-collector", start, aliases=("podgc",))
