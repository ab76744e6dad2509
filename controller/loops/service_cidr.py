"""ServiceCIDR: says that a range is ready, and keeps it until no address of it is in use any more."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from controller.conditions import with_condition
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import IPADDRESSES, SERVICECIDRS

Obj = dict[str, Any]

FINALIZER = "networking.k8s.io/service-cidr-finalizer"


def covers(service_cidr: Obj, address: str) -> bool:
    found = ipaddress.ip_address(address)
    networks = (ipaddress.ip_network(c) for c in service_cidr["spec"].get("cidrs") or ())
    return any(n.version == found.version and found in n for n in networks)


def is_needed(service_cidr: Obj, others: Iterable[Obj], addresses: Iterable[str]) -> bool:
    """An address in use lies in this range and in no other that stays."""
    staying = [o for o in others if o is not service_cidr and not o["metadata"].get("deletionTimestamp")]
    return any(covers(service_cidr, a) and not any(covers(o, a) for o in staying) for a in addresses)


def plan(
    service_cidr: Obj, others: Iterable[Obj], addresses: Iterable[str], now: str
) -> tuple[list[str] | None, Obj | None]:
    """(finalizers to write, status to write), None for what is right already."""
    finalizers = list(service_cidr["metadata"].get("finalizers") or ())
    status = service_cidr.get("status") or {}
    if not service_cidr["metadata"].get("deletionTimestamp"):
        ready = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
        wanted = None if FINALIZER in finalizers else [*finalizers, FINALIZER]
    elif is_needed(service_cidr, others, addresses):
        text = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
        ready = {"type": "Ready", "status": "False", "reason": "Terminating", "message": text}
        wanted = None
    else:
        return ([f for f in finalizers if f != FINALIZER], None) if FINALIZER in finalizers else (None, None)
    conditions = with_condition(status.get("conditions"), ready, now=now)
    return wanted, None if conditions == status.get("conditions") else {**status, "conditions": conditions}


def start(context: Context) -> Run:
    cidrs, used = context.informer(SERVICECIDRS), context.informer(IPADDRESSES)

    async def reconcile(name: str) -> None:
        found = cidrs.store.get(name)
        if found is None:
            return
        addresses = [a["metadata"]["name"] for a in used.store.list()]
        finalizers, status = plan(found, cidrs.store.list(), addresses, rfc3339(context.clock.now()))
        try:
            if finalizers is not None:
                metadata = {**found["metadata"], "finalizers": finalizers}
                found = await context.client.update(SERVICECIDRS, {**found, "metadata": metadata})
            if status is not None:
                await context.client.update_status(SERVICECIDRS, {**found, "status": status})
        except errors.NotFound:
            return

    work = Reconciler("service-cidr", reconcile, clock=context.clock, workers=1)

    def wake(changed: Obj) -> None:
        for found in cidrs.store.list():
            work.add(found["metadata"]["name"])

    cidrs.add_handler(on_add=wake, on_update=lambda old, new: wake(new), on_delete=wake)
    used.add_handler(on_delete=wake)
    return work.run((cidrs, used))


CONTROLLER = Controller("service-cidr-controller", "service-cidrs-controller", start)
