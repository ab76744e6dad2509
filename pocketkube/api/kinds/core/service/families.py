"""Which service needs a cluster address, node ports or a health check port, and what of these an update keeps or drops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Obj = dict[str, Any]


def needs_cluster_ip(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") != "ExternalName"


def needs_node_ports(spec: Mapping[str, Any]) -> bool:
    """NodePort, and LoadBalancer unless it does without."""
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)


def may_have_node_ports(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def needs_health_port(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def is_externally_accessible(spec: Mapping[str, Any]) -> bool:
    if spec.get("type") in ("LoadBalancer", "NodePort"):
        return True
    return spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs"))


def is_headless(spec: Mapping[str, Any]) -> bool:
    return spec.get("clusterIP") == "None"


def keep_allocated(spec: Obj, before: Obj) -> None:
    """What the client left out and the cluster once gave stays, in place."""
    if needs_cluster_ip(before) and needs_cluster_ip(spec):
        _keep_addresses(spec, before)
    if may_have_node_ports(before) and may_have_node_ports(spec):
        _keep_node_ports(spec, before)
    if needs_health_port(before) and needs_health_port(spec) and not spec.get("healthCheckNodePort"):
        _copy(spec, before, "healthCheckNodePort")


def _keep_addresses(spec: Obj, before: Obj) -> None:
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        _copy(spec, before, "clusterIP")
        _copy(spec, before, "clusterIPs")
    elif not spec.get("clusterIP"):
        spec["clusterIP"] = before.get("clusterIP") or spec["clusterIPs"][0]
    elif not spec.get("clusterIPs"):
        same = spec["clusterIP"] == before.get("clusterIP")
        spec["clusterIPs"] = before.get("clusterIPs") if same else [spec["clusterIP"]]
    elif spec["clusterIP"] != before.get("clusterIP") and spec["clusterIPs"] == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"], *spec["clusterIPs"][1:]]
    for name in ("ipFamilies", "ipFamilyPolicy"):
        if not spec.get(name):
            _copy(spec, before, name)


def _keep_node_ports(spec: Obj, before: Obj) -> None:
    used = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    given = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        number = given.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and number and number not in used:
            port["nodePort"] = number
            used.add(number)


def _copy(spec: Obj, before: Obj, name: str) -> None:
    if before.get(name):
        spec[name] = before[name]


def drop_unneeded(spec: Obj, before: Obj) -> None:
    """What the new type has no use for goes, where the client did not change it, in place."""
    if needs_cluster_ip(before) and not needs_cluster_ip(spec):
        if not spec.get("clusterIP") or spec["clusterIP"] == before.get("clusterIP"):
            spec.pop("clusterIP", None)
            _drop_same(spec, before, "clusterIPs")
        _drop_same(spec, before, "ipFamilies")
        _drop_same(spec, before, "ipFamilyPolicy")
    if may_have_node_ports(before) and not may_have_node_ports(spec):
        numbers = [{port.get("nodePort") for port in x.get("ports") or ()} for x in (spec, before)]
        if numbers[0] <= numbers[1] | {None}:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if needs_health_port(before) and not needs_health_port(spec):
        _drop_same(spec, before, "healthCheckNodePort")
    if is_externally_accessible(before) and not is_externally_accessible(spec):
        _drop_same(spec, before, "externalTrafficPolicy")
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        _drop_same(spec, before, "allocateLoadBalancerNodePorts")
        _drop_same(spec, before, "loadBalancerClass")


def _drop_same(spec: Obj, before: Obj, *names: str) -> None:
    if all(spec.get(name) == before.get(name) for name in names):
        for name in names:
            spec.pop(name, None)


def normalize(spec: Obj) -> None:
    """clusterIP and clusterIPs say the same, and families follow the addresses, in place. A service that is still to get
    its address gets its family with it."""
    if not needs_cluster_ip(spec):
        return
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    addresses = spec.get("clusterIPs") or []
    if not addresses:
        return
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv6" if ":" in ip else "IPv4" for ip in addresses]
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = "SingleStack" if len(spec["ipFamilies"]) < 2 else "RequireDualStack"
