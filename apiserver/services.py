"""Where a service leads: the addresses that are ready behind one of its ports."""

from __future__ import annotations

from typing import Any

from apiserver.registry.registry import Registry
from apiserver.storage.cache import Query

Obj = dict[str, Any]
Place = tuple[str, int]  # address, port

_SERVICE = "kubernetes.io/service-name"


def port_of(service: Obj, port: str) -> Obj | None:
    """The port of that name or number; without either the one without a name, or the only one."""
    ports: list[Obj] = (service.get("spec") or {}).get("ports") or []
    wanted = next((p for p in ports if port in (p.get("name") or "", str(p["port"]))), None)
    return ports[0] if wanted is None and not port and len(ports) == 1 else wanted


def ready(registry: Registry, namespace: str, name: str, *, port_name: str) -> list[Place] | None:
    """Ready endpoints behind a named port ("" is a name too), by the slices or the older Endpoints; None without either."""
    query = Query(namespace=namespace, labels=((_SERVICE, name),))
    slices = [entry.obj for entry in registry.by_plural("discovery.k8s.io", "endpointslices").cache.entries(query)]
    if slices:
        return [place for found in slices for place in _of_slice(found, port_name)]
    endpoints = registry.by_plural("", "endpoints").cache.get(namespace, name)
    if endpoints is None:
        return None
    return [place for subset in endpoints.obj.get("subsets") or () for place in _of_subset(subset, port_name)]


def _of_slice(found: Obj, port_name: str) -> list[Place]:
    ports = [p["port"] for p in found.get("ports") or () if (p.get("name") or "") == port_name and p.get("port")]
    return [
        (str(endpoint["addresses"][0]), int(port))
        for endpoint in found.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", True) and endpoint.get("addresses")
        for port in ports
    ]


def _of_subset(subset: Obj, port_name: str) -> list[Place]:
    ports = [p["port"] for p in subset.get("ports") or () if (p.get("name") or "") == port_name]
    return [(str(a["ip"]), int(port)) for a in subset.get("addresses") or () for port in ports]
