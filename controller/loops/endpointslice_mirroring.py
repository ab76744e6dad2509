"""EndpointSlice mirroring: Endpoints that users keep for a service without selector appear as slices too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.context import Context, Controller, Run
from controller.ownership import controller_reference
from controller.reconciler import Reconciler
from controller.slice_writer import SliceWriter
from controller.slices import MANAGED_BY, SERVICE_NAME, Form, Plan, Ports
from controller.slices import plan as plan_slices
from pocketkube.client.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from pocketkube.client.store import key_of

Obj = dict[str, Any]

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
_NOT_COPIED = {"endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"}


def is_mine(slice: Obj) -> bool:
    return bool((slice["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER)


def should_mirror(service: Obj | None, endpoints: Obj | None) -> bool:
    """Only a selector-less service's Endpoints; none that ask not to, and none of the old leader elections."""
    if service is None or endpoints is None or endpoints["metadata"].get("deletionTimestamp"):
        return False
    if service["spec"].get("selector") is not None or service["spec"].get("type") == "ExternalName":
        return False
    skip = (endpoints["metadata"].get("labels") or {}).get(SKIP) == "true"
    return not skip and "control-plane.alpha.kubernetes.io/leader" not in (
        endpoints["metadata"].get("annotations") or {}
    )


def _endpoint(address: Obj, *, ready: bool) -> Obj:
    made: Obj = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for name in ("hostname", "nodeName", "targetRef"):
        if address.get(name):
            made[name] = address[name]
    return made


def desired(endpoints: Obj, *, most: int) -> dict[tuple[str, Ports], list[Obj]]:
    """Endpoints by (family, ports), at most `most` of a subset."""
    groups: dict[tuple[str, Ports], list[Obj]] = {}
    for subset in endpoints.get("subsets") or ():
        ports: Ports = tuple(
            (p.get("name") or "", p["port"], p.get("protocol") or "TCP", p.get("appProtocol"))
            for p in subset.get("ports") or ()
        )
        listed = [(a, True) for a in subset.get("addresses") or ()] + [
            (a, False) for a in subset.get("notReadyAddresses") or ()
        ]
        for address, ready in listed[:most]:
            family = "IPv6" if ":" in address["ip"] else "IPv4"
            groups.setdefault((family, ports), []).append(_endpoint(address, ready=ready))
    return groups


def plan(service: Obj | None, endpoints: Obj | None, existing: Sequence[Obj], *, most: int = 1000) -> Plan:
    """`existing` are the mirrors of that name; all go when there is nothing to mirror."""
    if not should_mirror(service, endpoints):
        return Plan(delete=tuple(s for s in existing if not s["metadata"].get("deletionTimestamp")))
    assert endpoints is not None
    metadata = endpoints["metadata"]
    form = Form(
        prefix=f"{metadata['name']}-",
        namespace=metadata["namespace"],
        labels={**(metadata.get("labels") or {}), SERVICE_NAME: metadata["name"], MANAGED_BY: MANAGER},
        annotations={k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _NOT_COPIED},
        owner=controller_reference(endpoints, ENDPOINTS),
    )
    return plan_slices(form, desired(endpoints, most=most), existing)


def start(context: Context) -> Run:
    services, endpoints = context.informer(SERVICES), context.informer(ENDPOINTS)
    slices = context.informer(ENDPOINTSLICES)

    async def reconcile(key: str) -> None:
        if not writer.fresh(key):
            return
        most = context.options.mirroring_max_endpoints_per_subset
        await writer.write(key, plan(services.store.get(key), endpoints.store.get(key), writer.owned(key), most=most))

    workers = context.options.mirroring_concurrent_service_endpoint_syncs
    work = Reconciler("endpointslice-mirroring", reconcile, clock=context.clock, workers=workers)
    writer = SliceWriter(context, slices, mine=is_mine, enqueue=work.add)
    for informer in (services, endpoints):
        informer.add_handler(
            on_add=lambda new: work.add(key_of(new)),
            on_update=lambda old, new: work.add(key_of(new)),
            on_delete=lambda old: work.add(key_of(old)),
        )
    return work.run((services, endpoints, slices))


CONTROLLER = Controller(
    "endpointslice-mirroring-controller",
    "endpointslicemirroring-controller",
    start,
    aliases=("endpointslicemirroring",),
)
