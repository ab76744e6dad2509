"""The node lifecycle's hands: one key a node for its health, one key for all nodes for who may be given up."""

from __future__ import annotations

import asyncio
from typing import Any

from controller.conditions import find
from controller.context import Context, Run
from controller.loops.node_lifecycle import health
from controller.loops.node_lifecycle.zones import Limiter, Rates, State, rates, state, zone_of
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.base import tasks
from pocketkube.client.resources import LEASES, NODES, PODS

Obj = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
_ALL = "all"


def start(context: Context) -> Run:
    return NodeLifecycle(context).run()


class NodeLifecycle:
    def __init__(self, context: Context):
        self._context = context
        self._nodes, self._pods = context.informer(NODES), context.informer(PODS)
        self._leases = context.informers.of(LEASES, namespace=LEASE_NAMESPACE)
        self._heard: dict[str, float] = {}  # node name -> when it last spoke, on our own monotonic clock
        self._limiters: dict[str, Limiter] = {}
        self._lost_all = False
        self._node_work = Reconciler("node-lifecycle", self._check, clock=context.clock, workers=8)
        self._zone_work = Reconciler("node-lifecycle-zones", self._weigh, clock=context.clock, workers=1)
        self._nodes.add_handler(on_add=self._added, on_update=self._updated, on_delete=self._deleted)
        self._leases.add_handler(on_add=self._renewed, on_update=lambda old, new: self._renewed(new))

    async def run(self) -> None:
        caches = (self._nodes, self._leases, self._pods)
        await tasks.run_tasks({"nodes": self._node_work.run(caches), "zones": self._zone_work.run(caches)})

    # --- events

    def _speaks(self, name: str) -> None:
        self._heard[name] = self._context.clock.monotonic()

    def _renewed(self, lease: Obj) -> None:
        name = lease["metadata"]["name"]
        self._speaks(name)
        node = self._nodes.store.get(name)
        if node is not None and health.ready_status(node) == "Unknown":
            self._node_work.add(name)

    def _added(self, node: Obj) -> None:
        name = node["metadata"]["name"]
        self._speaks(name)
        text = f"Node {name} event: Registered Node {name} in Controller"
        self._context.event(NODES, node, "Normal", "RegisteredNode", text)
        self._wake(node)

    def _updated(self, old: Obj, new: Obj) -> None:
        if _heartbeats(old) != _heartbeats(new):
            self._speaks(new["metadata"]["name"])
        if old.get("spec") != new.get("spec") or _judgement(old) != _judgement(new):
            self._wake(new)

    def _wake(self, node: Obj) -> None:
        self._node_work.add(node["metadata"]["name"])
        self._zone_work.add(_ALL)

    def _deleted(self, node: Obj) -> None:
        name = node["metadata"]["name"]
        self._heard.pop(name, None)
        text = f"Node {name} event: Removing Node {name} from Controller"
        self._context.event(NODES, node, "Normal", "RemovingNode", text)
        self._zone_work.add(_ALL)

    # --- one node

    async def _check(self, name: str) -> float | None:
        """Silence, readiness of its pods, NoSchedule taints. Returns seconds until it may count as silent."""
        node = self._nodes.store.get(name)
        if node is None:
            return None
        options = self._context.options
        started = bool(health.ready_status(node))
        grace = options.node_monitor_grace_period if started else options.node_startup_grace_period
        left = self._heard.get(name, 0.0) + grace - self._context.clock.monotonic()
        if left <= 0:
            node = await self._silence(node)
        node = await self._write_taints(node, health.with_no_schedule(node, self._now()))
        if health.ready_status(node) in ("False", "Unknown"):
            await self._mark_pods(node)
        return left if left > 0 else grace

    async def _silence(self, node: Obj) -> Obj:
        conditions = health.silenced(node, self._now())
        if conditions == health.conditions_of(node):
            return node
        name = node["metadata"]["name"]
        was_ready = health.ready_status(node) == "True"
        changed = await self._context.client.update_status(
            NODES, {**node, "status": {**(node.get("status") or {}), "conditions": conditions}}
        )
        if was_ready:
            text = f"Node {name} status is now: NodeNotReady"
            self._context.event(NODES, node, "Normal", "NodeNotReady", text)
        return changed

    async def _write_taints(self, node: Obj, taints: list[Obj]) -> Obj:
        if taints == health.taints_of(node):
            return node
        metadata = node["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"taints": taints or None}}
        try:
            return await self._context.client.patch(NODES, metadata["name"], patch, type="merge")
        except errors.NotFound:
            return node

    async def _mark_pods(self, node: Obj) -> None:
        """Pods of a lost node must leave their services, though nobody there can say so."""
        pods = self._pods.store.by_index("node", node["metadata"]["name"])
        await asyncio.gather(*(self._mark(p) for p in pods))

    async def _mark(self, pod: Obj) -> None:
        ready = find((pod.get("status") or {}).get("conditions"), "Ready")
        if ready is None or ready["status"] != "True":
            return
        changed = {**ready, "status": "False", "lastTransitionTime": self._now()}
        patch = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [changed]}}
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self._context.event(PODS, pod, "Warning", "NodeNotReady", "Node is not ready")
        try:
            await self._context.client.patch(
                PODS, name, patch, namespace=namespace, type="strategic", subresource="status"
            )
        except (errors.NotFound, errors.Conflict):
            return

    # --- all nodes

    async def _weigh(self, key: str) -> float | None:
        """Gives and takes NoExecute taints, as fast as each zone's state allows."""
        zones: dict[str, list[Obj]] = {}
        for node in self._nodes.store.list():
            zones.setdefault(zone_of(node), []).append(node)
        states = {z: state(nodes, self._context.options.unhealthy_zone_threshold) for z, nodes in zones.items()}
        lost_all = bool(states) and all(s == "FullDisruption" for s in states.values())
        self._note_disruption(lost_all)
        allowed = self._rates(states, zones)
        waits = [await self._weigh_zone(z, nodes, allowed[z], lost_all=lost_all) for z, nodes in zones.items()]
        return min((w for w in waits if w is not None), default=None)

    def _note_disruption(self, lost_all: bool) -> None:
        """After a time without any node it was we who heard nothing: every node gets a fresh grace."""
        if self._lost_all and not lost_all:
            for name in self._heard:
                self._speaks(name)
        self._lost_all = lost_all

    def _rates(self, states: dict[str, State], zones: dict[str, list[Obj]]) -> dict[str, float]:
        options = self._context.options
        wanted = Rates(
            options.node_eviction_rate, options.secondary_node_eviction_rate, options.large_cluster_size_threshold
        )
        return rates(states, {z: len(nodes) for z, nodes in zones.items()}, wanted)

    async def _weigh_zone(self, zone: str, nodes: list[Obj], rate: float, *, lost_all: bool) -> float | None:
        limiter = self._limiters.setdefault(zone, Limiter())
        clock = self._context.clock
        waits: list[float] = []
        for node in nodes:
            key, present = health.no_execute_key(node), health.no_execute_present(node)
            if present == ({key} if key else set()) and not (lost_all and present):
                continue
            given_up = bool(key) and not lost_all and not present  # newly: this is what the rates are about
            if given_up:
                wait = limiter.wait(rate, clock.monotonic())
                if wait is None:
                    continue
                if wait > 0:
                    waits.append(wait)
                    continue
            wanted = "" if lost_all else key
            await self._write_taints(node, health.with_no_execute(health.taints_of(node), wanted, self._now()))
            if given_up:  # only now: a write that failed must not cost the node ten seconds
                limiter.take(rate, clock.monotonic())
        return min(waits, default=None)

    def _now(self) -> str:
        return rfc3339(self._context.clock.now())


def _heartbeats(node: Obj) -> list[Any]:
    return [(c["type"], c["status"], c.get("lastHeartbeatTime")) for c in health.conditions_of(node)]


def _judgement(node: Obj) -> list[Any]:
    return [(c["type"], c["status"]) for c in health.conditions_of(node)]
