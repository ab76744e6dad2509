"""Service: one address and name for many pods. Addresses and ports are allocated by the server between prepare and validate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns, load_balancers, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core.service import families, validation
from pocketkube.api.kinds.core.service.families import (
    is_headless,
    needs_cluster_ip,
    needs_health_port,
    needs_node_ports,
)
from pocketkube.api.kinds.kind import PROXY_VERBS, STATUS, Kind, Subresource
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

__all__ = ["KIND", "is_headless", "needs_cluster_ip", "needs_health_port", "needs_node_ports"]

Obj = dict[str, Any]

AFFINITY_SECONDS = 10800
_COLUMNS = (
    columns.NAME,
    columns.text("Type", "How the service is reached."),
    columns.text("Cluster-IP", "Its address within the cluster."),
    columns.text("External-IP", "Its addresses outside."),
    columns.text("Port(s)", "Its ports, with node ports where it has them."),
    columns.AGE,
    columns.text("Selector", "Which pods it stands for.", priority=1),
)


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP" and _timeout(spec) is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}
    if not spec.get("type"):
        spec["type"] = "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    _default_traffic(obj, spec)


def _timeout(spec: Obj) -> int | None:
    seconds: int | None = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    return seconds


def _default_traffic(obj: Obj, spec: Obj) -> None:
    if families.is_externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec.get("internalTrafficPolicy") is None and spec["type"] != "ExternalName":
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == "LoadBalancer":
        workload.fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip") and ingress.get("ipMode") is None:
                ingress["ipMode"] = "VIP"


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}
    families.normalize(obj["spec"])


def _prepare_update(obj: Obj, old: Obj) -> None:
    spec, before = obj["spec"], old["spec"]
    families.keep_allocated(spec, before)
    families.drop_unneeded(spec, before)
    families.normalize(spec)
    if spec["type"] != "LoadBalancer":
        obj["status"] = {**(obj.get("status") or {}), "loadBalancer": {}}


def _external(obj: Obj) -> str:
    spec = obj["spec"]
    ips = list(spec.get("externalIPs") or ())
    if spec["type"] == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec["type"] == "LoadBalancer":
        balancer = (obj.get("status") or {}).get("loadBalancer") or {}
        given = [i.get("ip") or i.get("hostname") or "" for i in balancer.get("ingress") or ()]
        return ",".join(given + ips) or "<pending>"
    return ",".join(ips) or columns.NONE


def _port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', 0)}{node}/{port.get('protocol', 'TCP')}"


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    return [
        obj["metadata"]["name"],
        spec.get("type", ""),
        spec.get("clusterIP") or columns.NONE,
        _external(obj),
        ",".join(_port(port) for port in spec.get("ports") or ()) or columns.NONE,
        columns.age(obj, now),
        columns.labels(spec.get("selector")),
    ]


def _validate_status(obj: Obj, old: Obj) -> Errors:
    if obj["spec"]["type"] != "LoadBalancer" and load_balancers.points(obj):
        return [field.forbidden(load_balancers.PATH, "may only be used when `spec.type` is 'LoadBalancer'")]
    return load_balancers.validate(obj, modes=True)


def _warnings(obj: Obj) -> list[str]:
    spec, notes = obj["spec"], obj["metadata"].get("annotations") or {}
    found = []
    if _HINTS in notes:
        found.append(f"annotation {_HINTS} is deprecated, please use {_TOPOLOGY} instead")
    if spec["type"] == "ClusterIP" and families.is_headless(spec):
        ignored = {"spec.loadBalancerIP": spec.get("loadBalancerIP"), "spec.externalIPs": spec.get("externalIPs")}
        ignored["spec.SessionAffinity"] = spec["sessionAffinity"] != "None"
        found += [f"{name} is ignored for headless services" for name, given in ignored.items() if given]
    elif spec.get("externalIPs") and spec["type"] != "ExternalName":
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if spec["type"] == "ExternalName" and spec.get("externalIPs"):
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec["type"] != "ExternalName" and spec.get("externalName"):
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


_HINTS, _TOPOLOGY = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"


KIND = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Service"),
    short_names=("svc",),
    categories=("all",),
    subresources=(Subresource("proxy", PROXY_VERBS, kind="ServiceProxyOptions"), STATUS),
    storage_prefix="services/specs",
    priority=10,
    columns=_COLUMNS,
    row=_row,
    selectable={
        "spec.clusterIP": lambda obj: str(obj["spec"].get("clusterIP") or ""),
        "spec.type": lambda obj: str(obj["spec"].get("type") or ""),
    },
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    warnings=_warnings,
    update_warnings=lambda obj, old: _warnings(obj),
    validate=validation.validate,
    validate_update=validation.validate_update,
    validate_status=_validate_status,
    has_generation=False,
    validates_name_as="dns1035",
    create_on_update=True,
)
