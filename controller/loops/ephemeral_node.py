"""Ephemeral nodes: removes a node that was labelled as one which may go for good, once it has been away for a while.

A container of a scaled-down service never says goodbye: its stop looks like that of a restart. Nothing is lost if it does come back:
its pods were evicted by then, and a kubelet whose Node object is gone registers anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors, times
from pocketkube.client.resources import NODES

Obj = dict[str, Any]

LABEL = "pocketkube.io/ephemeral"  # its value is how many seconds the node may be away


def away_for(node: Obj, now: datetime) -> float | None:
    """Seconds since the node was last Ready, None if it is Ready or has never been heard of."""
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] != "True":
            return (now - times.parse(condition["lastTransitionTime"])).total_seconds()
    return None


def left(node: Obj, now: datetime) -> float | None:
    """Seconds until the node goes, 0 or less for now, None if it stays. Pure."""
    allowed = (node["metadata"].get("labels") or {}).get(LABEL, "")
    away = away_for(node, now)
    if not allowed.isdigit() or away is None or node["metadata"].get("deletionTimestamp"):
        return None
    return int(allowed) - away


def start(context: Context) -> Run:
    nodes = context.informer(NODES)

    async def reconcile(key: str) -> float | None:
        node = nodes.store.get(key)
        seconds = left(node, context.clock.now()) if node is not None else None
        if node is None or seconds is None or seconds > 0:
            return seconds
        try:
            meta = node["metadata"]  # at this version: not if it has said anything since
            await context.client.delete(NODES, key, uid=meta["uid"], resource_version=meta["resourceVersion"])
        except (errors.NotFound, errors.Conflict):
            pass  # it is gone, or it is back
        return None

    work = Reconciler("ephemeral-node", reconcile, clock=context.clock, workers=1)
    nodes.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    return work.run((nodes,))


CONTROLLER = Controller("ephemeral-node-controller", "node-controller", start, enabled=False)
