"""ClusterRole aggregation: a role with an aggregationRule holds the rules of all roles that it selects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import from_label_selector
from pocketkube.client.resources import CLUSTERROLES

Obj = dict[str, Any]


def plan(role: Obj, roles: Iterable[Obj]) -> list[Obj] | None:
    """The rules to write, None if they are right. Roles come by name, equal rules once."""
    aggregation = role.get("aggregationRule")
    if not aggregation or role["metadata"].get("deletionTimestamp"):
        return None
    ordered = sorted(
        (r for r in roles if r["metadata"]["name"] != role["metadata"]["name"]), key=lambda r: r["metadata"]["name"]
    )
    found: dict[bytes, Obj] = {}
    for wanted in aggregation.get("clusterRoleSelectors") or ():
        selector = from_label_selector(wanted)
        for other in ordered:
            if selector.matches(other["metadata"].get("labels") or {}):
                for rule in other.get("rules") or ():
                    found.setdefault(orjson.dumps(rule, option=orjson.OPT_SORT_KEYS), rule)
    rules = list(found.values())
    return None if rules == (role.get("rules") or []) else rules


def start(context: Context) -> Run:
    roles = context.informer(CLUSTERROLES)

    async def reconcile(name: str) -> None:
        role = roles.store.get(name)
        rules = plan(role, roles.store.list()) if role is not None else None
        if role is None or rules is None:
            return
        try:
            await context.client.update(CLUSTERROLES, {**role, "rules": rules})
        except errors.NotFound:
            return

    work = Reconciler("clusterrole-aggregation", reconcile, clock=context.clock, workers=1)

    def wake(changed: Obj) -> None:
        for role in roles.store.list():
            if role.get("aggregationRule"):
                work.add(role["metadata"]["name"])

    roles.add_handler(on_add=wake, on_update=lambda old, new: wake(new), on_delete=wake)
    return work.run((roles,))


CONTROLLER = Controller(
    "clusterrole-aggregation-controller",
    "clusterrole-aggregation-controller",
    start,
    aliases=("clusterrole-aggregation",),
)
