"""From Services and EndpointSlices to what a packet should meet: pure functions, no kernel, no clock.

A `ServicePort` is one port of one service with the endpoints that take its traffic on this node. Backends make the host
match the set of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where traffic goes: a pod's address and the target port. `local` is on this node."""

    ip: str
    port: int
    local: bool = False


@dataclass(frozen=True, kw_only=True)
class ServicePort:
    """One port of a service. Empty endpoints mean: refuse."""

    name: str  # namespace/service:port
    protocol: str  # TCP, UDP or SCTP
    port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...] = ()  # also a load balancer's addresses
    node_port: int = 0
    endpoints: tuple[Endpoint, ...] = ()  # for traffic from inside the cluster
    external_endpoints: tuple[Endpoint, ...] = ()  # for traffic from outside: node port and external addresses
    keeps_source: bool = False  # externalTrafficPolicy: Local
    affinity_seconds: int = 0  # ClientIP affinity; 0 is none
    source_ranges: tuple[str, ...] = ()  # who may use external addresses; () is everyone


def is_proxied(service: Obj) -> bool:
    """Whether a service has an address of its own that this proxy serves."""
    meta, spec = service["metadata"], service["spec"]
    if PROXY_NAME in (meta.get("labels") or ()) or spec.get("type") == "ExternalName":
        return False
    return spec.get("clusterIP") not in (None, "", "None")


def service_ports(service: Obj, slices: Iterable[Obj], node: str) -> list[ServicePort]:
    """Every port of a service that has an address, with its endpoints as seen from `node`. Order is the service's own."""
    if not is_proxied(service):
        return []
    spec = service["spec"]
    kept = [s for s in slices if s.get("addressType") == "IPv4"]
    return [_service_port(service, port, kept, node) for port in spec.get("ports") or ()]


def _service_port(service: Obj, port: Obj, slices: list[Obj], node: str) -> ServicePort:
    spec, meta = service["spec"], service["metadata"]
    name, protocol = port.get("name") or "", port.get("protocol") or "TCP"
    usable = usable_endpoints(slices, name, protocol, node=node)
    local = usable_endpoints(slices, name, protocol, node=node, only_local=True)
    internal_local = spec.get("internalTrafficPolicy") == "Local"
    keeps_source = spec.get("externalTrafficPolicy") == "Local"
    return ServicePort(
        name=f"{meta['namespace']}/{meta['name']}:{name}",
        protocol=protocol,
        port=port["port"],
        cluster_ips=tuple(ip for ip in spec.get("clusterIPs") or (spec["clusterIP"],) if ":" not in ip),
        external_ips=_external_ips(service),
        node_port=port.get("nodePort") or 0,
        endpoints=local if internal_local else usable,
        external_endpoints=local if keeps_source else usable,
        keeps_source=keeps_source,
        affinity_seconds=_affinity(spec),
        source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()),
    )


def _external_ips(service: Obj) -> tuple[str, ...]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    balanced = [i["ip"] for i in ingress if i.get("ip") and i.get("ipMode") != "Proxy"]
    return tuple(ip for ip in [*(service["spec"].get("externalIPs") or ()), *balanced] if ":" not in ip)


def _affinity(spec: Obj) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or 10800)


def usable_endpoints(
    slices: Iterable[Obj], port_name: str, protocol: str, *, node: str, only_local: bool = False
) -> tuple[Endpoint, ...]:
    """Ready endpoints of one port; if there is none, those that still serve while they end. Sorted, each once.

    Ports are matched by name: a slice's port numbers are target ports (behaviour of EndpointSlice, not of Service).
    """
    ready: set[Endpoint] = set()
    ending: set[Endpoint] = set()
    for item in slices:
        number = _target_port(item, port_name, protocol)
        if number is None:
            continue
        for endpoint in item.get("endpoints") or ():
            local = endpoint.get("nodeName") == node
            if (only_local and not local) or not endpoint.get("addresses"):
                continue
            found = Endpoint(endpoint["addresses"][0], number, local)
            conditions = endpoint.get("conditions") or {}
            if conditions.get("ready") is not False:
                ready.add(found)
            elif conditions.get("serving") and conditions.get("terminating"):
                ending.add(found)
    return tuple(sorted(ready or ending))


def _target_port(item: Obj, name: str, protocol: str) -> int | None:
    for port in item.get("ports") or ():
        if (port.get("name") or "") == name and (port.get("protocol") or "TCP") == protocol:
            number: int | None = port.get("port")
            return number
    return None
