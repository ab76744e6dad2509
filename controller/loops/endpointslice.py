"""EndpointSlice: publishes the pods of every service with a selector, by address family and target ports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.context import Context, Controller, Run
from controller.ownership import controller_reference
from controller.pods import is_ready
from controller.reconciler import Reconciler
from controller.service_endpoints import (
    HEADLESS_LABEL,
    ZONE_LABEL,
    ServiceWatch,
    addresses,
    families,
    has_endpoint,
    hostname,
    is_headless,
    last_change,
    reference,
    selector_of,
    target_port,
)
from controller.slice_writer import SliceWriter
from controller.slices import MANAGED_BY, SERVICE_NAME, Form, Plan, Ports
from controller.slices import plan as plan_slices
from pocketkube.client.resources import ENDPOINTSLICES, NODES, PODS, SERVICES

Obj = dict[str, Any]

MANAGER = "endpointslice-controller.k8s.io"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


def is_mine(slice: Obj) -> bool:
    return bool((slice["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER)


def endpoint(pod: Obj, ips: list[str], service: Obj, zone: str) -> Obj:
    serving = is_ready(pod)
    terminating = bool(pod["metadata"].get("deletionTimestamp"))
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    made: Obj = {
        "addresses": ips,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": reference(pod),
    }
    if node := pod["spec"].get("nodeName"):
        made["nodeName"] = node
    if zone:
        made["zone"] = zone
    if name := hostname(pod, service):
        made["hostname"] = name
    hints = _hints(service, node, zone, ready=ready)
    if hints:
        made["hints"] = hints
    return made


def _hints(service: Obj, node: str | None, zone: str, *, ready: bool) -> Obj:
    wanted = service["spec"].get("trafficDistribution")
    hints: Obj = {}
    if ready and zone and wanted in ("PreferClose", "PreferSameZone", "PreferSameNode"):
        hints["forZones"] = [{"name": zone}]
    if ready and node and wanted == "PreferSameNode":
        hints["forNodes"] = [{"name": node}]
    return hints


def pod_ports(pod: Obj, service: Obj) -> Ports:
    """The service's ports as this pod serves them; a named target port that it lacks is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = target_port(pod, port)
        if number is not None:
            found.append((port.get("name") or "", number, port.get("protocol", "TCP"), port.get("appProtocol")))
    return tuple(found)


def desired(service: Obj, pods: Iterable[Obj], zones: Mapping[str, str]) -> dict[tuple[str, Ports], list[Obj]]:
    """Endpoints by (family, ports); a family without any has one empty entry. `zones` maps node names."""
    counted = [p for p in pods if has_endpoint(p, terminating=True)]
    groups: dict[tuple[str, Ports], list[Obj]] = {}
    for family in families(service, counted):
        for pod in counted:
            if ips := addresses(pod, family):
                zone = zones.get(pod["spec"].get("nodeName") or "", "")
                groups.setdefault((family, pod_ports(pod, service)), []).append(endpoint(pod, ips[:1], service, zone))
        if not any(kind == family for kind, _ in groups):
            groups[(family, ())] = []
    return groups


def plan(
    service: Obj, pods: Sequence[Obj], zones: Mapping[str, str], existing: Sequence[Obj], *, most: int = 100
) -> Plan:
    """`pods` are those that the service selects, `existing` the slices we manage for it."""
    name = service["metadata"]["name"]
    labels = {k: v for k, v in (service["metadata"].get("labels") or {}).items() if k not in (SERVICE_NAME, MANAGED_BY)}
    labels.pop(HEADLESS_LABEL, None)
    labels |= {SERVICE_NAME: name, MANAGED_BY: MANAGER}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    form = Form(
        prefix=f"{name}-",
        namespace=service["metadata"]["namespace"],
        labels=labels,
        annotations={TRIGGER_TIME: last_change(service, pods)},
        owner=controller_reference(service, SERVICES),
        most=most,
    )
    return plan_slices(form, desired(service, pods, zones), existing)


def start(context: Context) -> Run:
    services, pods, nodes = context.informer(SERVICES), context.informer(PODS), context.informer(NODES)
    slices = context.informer(ENDPOINTSLICES)

    async def reconcile(key: str) -> None:
        service = services.store.get(key)
        if service is None:
            writer.forget(key)  # the garbage collector removes its slices
            return
        if service["spec"].get("selector") is None or service["spec"].get("type") == "ExternalName":
            return
        if not writer.fresh(key):
            return
        selector = selector_of(service)
        namespace = service["metadata"]["namespace"]
        selected = [
            p
            for p in pods.store.by_index("namespace", namespace)
            if selector.matches(p["metadata"].get("labels") or {})
        ]
        names = {p["spec"].get("nodeName") or "" for p in selected}
        zones = {n: z for n in names if (z := _zone(nodes.store.get(n)))}
        most = context.options.max_endpoints_per_slice
        await writer.write(key, plan(service, selected, zones, writer.owned(key), most=most))

    workers = context.options.concurrent_service_endpoint_syncs
    work = Reconciler("endpointslice", reconcile, clock=context.clock, workers=workers)
    writer = SliceWriter(context, slices, mine=is_mine, enqueue=work.add)
    ServiceWatch(services, pods, enqueue=work.add)

    def node_updated(old: Obj, new: Obj) -> None:
        if _zone(old) != _zone(new):
            for service in services.store.list():
                work.add(f"{service['metadata']['namespace']}/{service['metadata']['name']}")

    nodes.add_handler(on_update=node_updated)
    return work.run((services, pods, nodes, slices))


def _zone(node: Obj | None) -> str:
    return (node["metadata"].get("labels") or {}).get(ZONE_LABEL, "") if node is not None else ""


CONTROLLER = Controller(
    "endpointslice-controller",
    "endpointslice-controller",
    start,
    aliases=("endpointslice",),
    events="endpoint-slice-controller",
)
