"""TTL: tells each node how long it may keep secrets and config maps unread, by the size of the cluster."""

from __future__ import annotations

from typing import Any

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import NODES

Obj = dict[str, Any]

ANNOTATION = "node.alpha.kubernetes.io/ttl"
# (grow beyond this many nodes, shrink below this many, seconds): apart, so that the value does not flap
_STEPS = ((100, 0, 0), (500, 90, 15), (1000, 450, 30), (2000, 900, 60), (float("inf"), 1800, 300))


def step(current: int, nodes: int) -> int:
    """The index of the step for a cluster of that size, starting from the current one."""
    while nodes > _STEPS[current][0]:
        current += 1
    while nodes < _STEPS[current][1]:
        current -= 1
    return current


def start(context: Context) -> Run:
    nodes = context.informer(NODES)
    current = 0

    async def reconcile(name: str) -> None:
        node = nodes.store.get(name)
        wanted = str(_STEPS[current][2])
        if node is None or (node["metadata"].get("annotations") or {}).get(ANNOTATION) == wanted:
            return
        try:
            await context.client.patch(
                NODES, name, {"metadata": {"annotations": {ANNOTATION: wanted}}}, type="strategic"
            )
        except errors.NotFound:
            return

    work = Reconciler("ttl", reconcile, clock=context.clock, workers=1)

    def resized(node: Obj) -> None:
        nonlocal current
        before, current = current, step(current, len(nodes.store))
        for found in nodes.store.list() if before != current else [node]:
            work.add(found["metadata"]["name"])

    nodes.add_handler(on_add=resized, on_update=lambda old, new: work.add(new["metadata"]["name"]), on_delete=resized)
    return work.run((nodes,))


CONTROLLER = Controller("ttl-controller", "ttl-controller", start, aliases=("ttl",))
