"""Endpoints: the older, single object a service, with ready and not-ready addresses by port; kept for its readers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from controller.context import Context, Controller, Run
from controller.pod_control import namespace_ending
from controller.pods import is_ready
from controller.reconciler import Reconciler
from controller.service_endpoints import (
    HEADLESS_LABEL,
    ServiceWatch,
    addresses,
    families,
    has_endpoint,
    hostname,
    is_headless,
    last_change,
    reference,
    selector_of,
    sort_key,
    target_port,
)
from pocketkube.api.meta import errors
from pocketkube.client.resources import ENDPOINTS, PODS, SERVICES

Obj = dict[str, Any]

MOST = 1000
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


def _address(pod: Obj, ip: str, service: Obj) -> Obj:
    made: Obj = {"ip": ip, "targetRef": reference(pod)}
    if node := pod["spec"].get("nodeName"):
        made["nodeName"] = node
    if name := hostname(pod, service):
        made["hostname"] = name
    return made


def _ports(pod: Obj, service: Obj) -> tuple[tuple[str, int, str, str], ...]:
    found = []
    for port in service["spec"].get("ports") or ():
        number = target_port(pod, port)
        if number is not None:
            found.append((port.get("name") or "", number, port.get("protocol", "TCP"), port.get("appProtocol") or ""))
    return tuple(found)


def _port(name: str, number: int, protocol: str, app_protocol: str) -> Obj:
    made: Obj = {"port": number, "protocol": protocol}
    if name:
        made["name"] = name
    if app_protocol:
        made["appProtocol"] = app_protocol
    return made


def subsets(service: Obj, pods: Iterable[Obj]) -> tuple[list[Obj], bool]:
    """(subsets, truncated). Each port is grouped with the ports that the same addresses serve; everything is in order."""
    pods = list(pods)
    tolerates = bool(service["spec"].get("publishNotReadyAddresses"))
    family = families(service, pods)[0]
    serving: dict[str, tuple[Obj, bool]] = {}
    ports: dict[str, set[tuple[str, int, str, str]]] = {}
    for pod in pods:
        ips = addresses(pod, family)
        if not ips or not has_endpoint(pod, terminating=tolerates):
            continue
        offered = _ports(pod, service)
        if not offered and service["spec"].get("ports"):
            continue  # none of the service's ports is there
        serving[ips[0]] = (_address(pod, ips[0], service), tolerates or is_ready(pod))
        ports[ips[0]] = set(offered)
    kept = sorted(serving, key=lambda ip: (not serving[ip][1], sort_key(ip)))[:MOST]
    groups: dict[tuple[tuple[str, int, str, str], ...], list[str]] = {}
    for ip in sorted(kept, key=sort_key):
        groups.setdefault(tuple(sorted(ports[ip])), []).append(ip)
    return [_subset(group, ips, serving) for group, ips in sorted(groups.items())], len(serving) > MOST


def _subset(ports: tuple[tuple[str, int, str, str], ...], ips: list[str], serving: dict[str, tuple[Obj, bool]]) -> Obj:
    made: Obj = {}
    if ready := [serving[ip][0] for ip in ips if serving[ip][1]]:
        made["addresses"] = ready
    if waiting := [serving[ip][0] for ip in ips if not serving[ip][1]]:
        made["notReadyAddresses"] = waiting
    if ports:
        made["ports"] = [_port(*p) for p in ports]
    return made


def plan(service: Obj, pods: Sequence[Obj], existing: Obj | None) -> Obj | None:
    """The Endpoints to write: without resourceVersion it is to be created. None if it is as it should be."""
    found, truncated = subsets(service, pods)
    labels = {k: v for k, v in (service["metadata"].get("labels") or {}).items() if k != HEADLESS_LABEL}
    labels[MANAGED_BY] = MANAGER
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    old = existing["metadata"] if existing is not None else {}
    notes = {k: v for k, v in (old.get("annotations") or {}).items() if k != OVER_CAPACITY}
    if truncated:
        notes[OVER_CAPACITY] = "truncated"
    if existing is not None:
        same_notes = notes == (old.get("annotations") or {})
        if same_notes and labels == (old.get("labels") or {}) and found == (existing.get("subsets") or []):
            return None
    notes[TRIGGER_TIME] = last_change(service, pods)
    name = {"name": service["metadata"]["name"], "namespace": service["metadata"]["namespace"]}
    metadata = {**old, **name, "labels": labels, "annotations": notes}
    made: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return {**made, "subsets": found} if found else made


def start(context: Context) -> Run:
    services, pods, endpoints = context.informer(SERVICES), context.informer(PODS), context.informer(ENDPOINTS)

    async def reconcile(key: str) -> None:
        service = services.store.get(key)
        namespace, name = key.split("/")
        if service is None:
            await delete(namespace, name)
            return
        if service["spec"].get("selector") is None or service["spec"].get("type") == "ExternalName":
            return
        selector = selector_of(service)
        selected = [
            p
            for p in pods.store.by_index("namespace", namespace)
            if selector.matches(p["metadata"].get("labels") or {})
        ]
        wanted = plan(service, selected, endpoints.store.get(key))
        if wanted is not None:
            await write(namespace, wanted)

    async def write(namespace: str, wanted: Obj) -> None:
        try:
            if "resourceVersion" in wanted["metadata"]:
                await context.client.update(ENDPOINTS, wanted)
            else:
                await context.client.create(ENDPOINTS, wanted, namespace)
        except errors.StatusError as error:
            if not namespace_ending(error):
                raise

    async def delete(namespace: str, name: str) -> None:
        """Only what the cache knows as ours or was made for the service: an Endpoints of the same name may be a user's."""
        found = endpoints.store.get(f"{namespace}/{name}")
        if found is None:
            return
        try:
            await context.client.delete(ENDPOINTS, name, namespace, uid=found["metadata"]["uid"])
        except errors.NotFound:
            return

    workers = context.options.concurrent_endpoint_syncs
    work = Reconciler("endpoints", reconcile, clock=context.clock, workers=workers)
    ServiceWatch(services, pods, enqueue=work.add)
    endpoints.add_handler(
        on_delete=lambda old: work.add(f"{old['metadata']['namespace']}/{old['metadata']['name']}"),
    )
    return work.run((services, pods, endpoints))


CONTROLLER = Controller("endpoints-controller", "endpoint-controller", start, aliases=("endpoint", "endpoints"))
