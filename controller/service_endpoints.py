"""From pods to the endpoints of a service: which pods count, under which address, on which ports. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from controller.pods import is_ready, is_terminal
from pocketkube.api.meta.objects import is_deleting
from pocketkube.api.meta.selectors import Selector, from_label_selector, from_match_labels
from pocketkube.client.informer import Informer
from pocketkube.client.store import key_of

Obj = dict[str, Any]

ZONE_LABEL = "topology.kubernetes.io/zone"
HEADLESS_LABEL = "service.kubernetes.io/headless"


def selector_of(service: Obj) -> Selector:
    """Matches nothing without a selector, and everything for an empty one, as upstream keeps the two apart."""
    wanted = service["spec"].get("selector")
    return from_label_selector(None) if wanted is None else from_match_labels(wanted)


def is_headless(service: Obj) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def addresses(pod: Obj, family: str) -> list[str]:
    """The pod's IPs of `IPv4` or `IPv6`."""
    status = pod.get("status") or {}
    listed = [p["ip"] for p in status.get("podIPs") or () if p.get("ip")] or [*filter(None, [status.get("podIP")])]
    return [ip for ip in listed if (":" in ip) == (family == "IPv6")]


def has_endpoint(pod: Obj, *, terminating: bool) -> bool:
    """The pod has an IP and is not finished; with `terminating` also while it is being deleted."""
    if is_terminal(pod) or not (pod.get("status") or {}).get("podIP"):
        return False
    return terminating or not is_deleting(pod)


def hostname(pod: Obj, service: Obj) -> str:
    """The pod's own DNS name below the service, if it asked for one."""
    spec = pod["spec"]
    same = spec.get("subdomain") == service["metadata"]["name"]
    return (spec.get("hostname") or "") if same else ""


def target_port(pod: Obj, port: Obj) -> int | None:
    """The number behind a service port's targetPort in this pod; None if no container has a port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target or int(port["port"])
    restartable = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*pod["spec"].get("containers", ()), *restartable]:
        for offered in container.get("ports") or ():
            if offered.get("name") == target and offered.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(offered["containerPort"])
    return None


def families(service: Obj, pods: Iterable[Obj]) -> list[str]:
    """The address families to publish. Services of old releases without ipFamilies follow their clusterIP or pods."""
    declared = service["spec"].get("ipFamilies")
    if declared:
        return list(declared)
    cluster_ip = service["spec"].get("clusterIP") or ""
    if cluster_ip and cluster_ip != "None":
        return ["IPv6" if ":" in cluster_ip else "IPv4"]
    for pod in pods:
        if ip := (pod.get("status") or {}).get("podIP"):
            return ["IPv6" if ":" in ip else "IPv4"]
    return ["IPv4"]


def reference(pod: Obj) -> Obj:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def sort_key(ip: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(ip)
    return parsed.version, int(parsed)


def fingerprint(pod: Obj) -> tuple[Any, ...]:
    """What of a pod its endpoints are made of: an update that leaves this alone changes no service."""
    status, spec, metadata = pod.get("status") or {}, pod["spec"], pod["metadata"]
    return (
        metadata.get("labels"),
        bool(metadata.get("deletionTimestamp")),
        is_terminal(pod),
        is_ready(pod),
        status.get("podIP"),
        status.get("podIPs"),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )


class ServiceWatch:
    """Calls `enqueue(service key)` for every event of a service or of a pod that it selects, or did select."""

    def __init__(self, services: Informer, pods: Informer, *, enqueue: Callable[[str], None]):
        self._services, self._enqueue = services, enqueue
        services.add_handler(
            on_add=lambda new: enqueue(key_of(new)),
            on_update=lambda old, new: enqueue(key_of(new)),
            on_delete=lambda old: enqueue(key_of(old)),
        )
        pods.add_handler(on_add=self._wake, on_update=self._pod_updated, on_delete=self._wake)

    def _wake(self, pod: Obj) -> None:
        for service in self._services.store.by_index("namespace", pod["metadata"]["namespace"]):
            if selector_of(service).matches(pod["metadata"].get("labels") or {}):
                self._enqueue(key_of(service))

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if fingerprint(old) == fingerprint(new):
            return
        self._wake(new)
        if old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._wake(old)


def last_change(service: Obj, pods: Iterable[Obj]) -> str:
    """When the newest of the pods' readiness changes happened, or the service was made: feeds upstream's latency metric."""
    times = [service["metadata"].get("creationTimestamp") or ""]
    for pod in pods:
        for condition in (pod.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Ready":
                times.append(condition.get("lastTransitionTime") or "")
    return max(times)
