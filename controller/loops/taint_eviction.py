"""Taint eviction: deletes pods that do not tolerate their node's NoExecute taints, when their tolerationSeconds are over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from controller.conditions import with_condition
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.kinds.podspec.node_fit import tolerates
from pocketkube.api.meta import errors, times
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import NODES, PODS
from pocketkube.client.store import key_of

Obj = dict[str, Any]

EVICTION_MESSAGE = "Taint manager: deleting due to NoExecute taint"


def evict_in(pod: Obj, taints: Iterable[Obj], now: datetime) -> float | None:
    """Seconds until the pod must go, 0 for at once, None if it may stay. The shortest toleration used counts, from when
    the taint came or the pod started, whichever was later."""
    deadlines: list[float] = []
    for taint in taints:
        if taint["effect"] != "NoExecute":
            continue
        used = [t for t in pod["spec"].get("tolerations") or () if tolerates(t, taint)]
        if not used:
            return 0.0
        limits = [t["tolerationSeconds"] for t in used if t.get("tolerationSeconds") is not None]
        if limits:
            begin = _begin(pod, taint, now)
            deadlines.append(max(0.0, max(0, min(limits)) - (now - begin).total_seconds()))
    return min(deadlines, default=None)


def _begin(pod: Obj, taint: Obj, now: datetime) -> datetime:
    started = (pod.get("status") or {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    moments = [times.parse(t) for t in (started, taint.get("timeAdded")) if t]
    return max(moments) if moments else now


def start(context: Context) -> Run:
    return TaintEviction(context).run()


class TaintEviction:
    def __init__(self, context: Context):
        self._context = context
        self._pods, self._nodes = context.informer(PODS), context.informer(NODES)
        self._doomed: set[str] = set()  # keys of pods whose time runs
        self._work = Reconciler("taint-eviction", self._reconcile, clock=context.clock, workers=8)
        self._pods.add_handler(
            on_add=self._pod_changed,
            on_update=self._pod_updated,
            on_delete=lambda old: self._doomed.discard(key_of(old)),
        )
        self._nodes.add_handler(on_add=self._node_changed, on_update=self._node_updated)

    def run(self) -> Run:
        return self._work.run((self._pods, self._nodes))

    def _pod_changed(self, pod: Obj) -> None:
        node = self._nodes.store.get(pod["spec"].get("nodeName") or "")
        if node is not None and (node.get("spec") or {}).get("taints"):
            self._work.add(key_of(pod))

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if old["spec"].get("nodeName") != new["spec"].get("nodeName") or old["spec"].get("tolerations") != new[
            "spec"
        ].get("tolerations"):
            self._pod_changed(new)

    def _node_updated(self, old: Obj, new: Obj) -> None:
        if (old.get("spec") or {}).get("taints") != (new.get("spec") or {}).get("taints"):
            self._node_changed(new)

    def _node_changed(self, node: Obj) -> None:
        for pod in self._pods.store.by_index("node", node["metadata"]["name"]):
            self._work.add(key_of(pod))

    async def _reconcile(self, key: str) -> float | None:
        pod = self._pods.store.get(key)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            self._doomed.discard(key)
            return None
        node = self._nodes.store.get(pod["spec"].get("nodeName") or "")
        taints = (node.get("spec") or {}).get("taints") or () if node is not None else ()
        wait = evict_in(pod, taints, self._context.clock.now())
        if wait is None:
            if key in self._doomed:
                self._doomed.discard(key)
                self._context.event(PODS, pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return None
        self._doomed.add(key)
        if wait > 0:
            return wait
        await self._evict(key, pod)
        return None

    async def _evict(self, key: str, pod: Obj) -> None:
        metadata = pod["metadata"]
        self._context.event(PODS, pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        why = {"reason": "DeletionByTaintManager", "message": EVICTION_MESSAGE}
        new = {"type": "DisruptionTarget", "status": "True", **why}
        now = rfc3339(self._context.clock.now())
        conditions = with_condition((pod.get("status") or {}).get("conditions"), new, now=now)
        changed = next(c for c in conditions if c["type"] == "DisruptionTarget")
        patch = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [changed]}}
        client, namespace = self._context.client, metadata["namespace"]
        try:
            await client.patch(
                PODS, metadata["name"], patch, namespace=namespace, type="strategic", subresource="status"
            )
            await client.delete(PODS, metadata["name"], namespace, uid=metadata["uid"])
        except (errors.NotFound, errors.Conflict):
            return
        finally:
            self._doomed.discard(key)


CONTROLLER = Controller(
    "taint-eviction-controller",
    "node-controller",
    start,
    aliases=("taint-eviction",),
    events="taint-eviction-controller",
)
