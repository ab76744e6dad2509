"""Checks of a service, after its addresses and ports are allocated."""

from __future__ import annotations

import ipaddress
from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core.service import families
from pocketkube.api.meta import field, names

Obj = dict[str, Any]

_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
_PROTOCOLS = ["SCTP", "TCP", "UDP"]
_FAMILIES = ["IPv4", "IPv6"]
_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"]
_TRAFFIC = ["Cluster", "Local"]
_DISTRIBUTION = ["PreferClose", "PreferSameNode", "PreferSameZone"]
_MAX_AFFINITY = 86400
_NOT_EXTERNAL = "may not be set for ExternalName services"
_ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    kind = spec["type"]
    wrong: Errors = []
    if not spec.get("ports") and not families.is_headless(spec) and kind != "ExternalName":
        wrong.append(field.required("spec.ports"))
    if kind in ("LoadBalancer", "NodePort") and families.is_headless(spec):
        wrong.append(field.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        wrong += _external_name(spec)
    wrong += _ports(spec)
    wrong += checks.labels("spec.selector", spec.get("selector"))
    wrong += _affinity(spec)
    wrong += _addresses(spec)
    for at, ip in enumerate(spec.get("externalIPs") or ()):
        wrong += non_special_ip(f"spec.externalIPs[{at}]", ip)
    wrong += checks.one_of("spec.type", kind, _TYPES)
    return wrong + _balancer(spec) + _traffic(spec)


def _external_name(spec: Obj) -> Errors:
    wrong: Errors = []
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            wrong.append(field.forbidden(f"spec.{name}", _NOT_EXTERNAL))
    target = (spec.get("externalName") or "").removesuffix(".")
    if not target:
        return [*wrong, field.required("spec.externalName")]
    return wrong + [field.invalid("spec.externalName", target, why) for why in checks.dns_subdomain(target)]


def _ports(spec: Obj) -> Errors:
    ports = spec.get("ports") or []
    wrong: Errors = []
    named: set[str] = set()
    numbered: set[tuple[Any, Any]] = set()
    on_nodes: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        path = f"spec.ports[{at}]"
        wrong += _port(port, path, len(ports) > 1)
        if (name := port.get("name")) and name in named:
            wrong.append(field.duplicate(f"{path}.name", name))
        named.add(name or "")
        key = (port.get("protocol"), port.get("port"))
        if key in numbered:
            wrong.append(field.duplicate(path, {"protocol": key[0], "port": key[1]}))
        numbered.add(key)
        if node := port.get("nodePort"):
            if spec["type"] == "ClusterIP":
                wrong.append(field.forbidden(f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'"))
            if (port.get("protocol"), node) in on_nodes:
                wrong.append(field.duplicate(f"{path}.nodePort", node))
            on_nodes.add((port.get("protocol"), node))
    return wrong


def _port(port: Obj, path: str, several: bool) -> Errors:
    wrong: Errors = []
    if name := port.get("name"):
        wrong += [field.invalid(f"{path}.name", name, why) for why in checks.dns_label(name)]
    elif several:
        wrong.append(field.required(f"{path}.name"))
    number = port.get("port", 0)
    wrong += [field.invalid(f"{path}.port", number, why) for why in names.is_port_number(number)]
    wrong += checks.one_of(f"{path}.protocol", port.get("protocol"), _PROTOCOLS)
    wrong += checks.port_number_or_name(f"{path}.targetPort", port.get("targetPort", 0))
    if (protocol := port.get("appProtocol")) is not None:
        wrong += [field.invalid(f"{path}.appProtocol", protocol, why) for why in checks.qualified(protocol)]
    return wrong


def _affinity(spec: Obj) -> Errors:
    affinity, config = spec["sessionAffinity"], spec.get("sessionAffinityConfig")
    wrong = checks.one_of("spec.sessionAffinity", affinity, ["ClientIP", "None"])
    path = "spec.sessionAffinityConfig"
    if affinity == "None" and config is not None:
        wrong.append(field.forbidden(path, "must not be set when session affinity is None"))
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        if seconds is None:
            wrong.append(field.required(path, "when session affinity type is ClientIP"))
        elif not 0 < seconds <= _MAX_AFFINITY:
            why = f"must be greater than 0 and less than {_MAX_AFFINITY}"
            wrong.append(field.invalid(f"{path}.clientIP.timeoutSeconds", seconds, why))
    return wrong


def _addresses(spec: Obj) -> Errors:
    """clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy agree."""
    if spec["type"] == "ExternalName":
        return []
    wrong: Errors = []
    addresses, single = spec.get("clusterIPs") or [], spec.get("clusterIP") or ""
    if single and not addresses:
        wrong.append(field.required("spec.clusterIPs"))
    elif addresses and addresses[0] != single:
        wrong.append(field.invalid("spec.clusterIPs[0]", addresses[0], "first value must match `clusterIP`"))
    if len(addresses) > 2:
        wrong.append(field.invalid("spec.clusterIPs", addresses, "may only hold up to 2 values"))
    for at, ip in enumerate(addresses):
        if ip != "None":
            wrong += checks.ip(f"spec.clusterIPs[{at}]", ip)
        elif len(addresses) > 1:
            wrong.append(field.invalid(f"spec.clusterIPs[{at}]", ip, "'None' must be the first and only value"))
    for at, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in _FAMILIES:
            wrong.append(field.not_supported(f"spec.ipFamilies[{at}]", family, _FAMILIES))
    wrong += checks.unique("spec.ipFamilies", spec.get("ipFamilies") or ())
    if (policy := spec.get("ipFamilyPolicy")) not in (None, *_POLICIES):
        wrong.append(field.not_supported("spec.ipFamilyPolicy", policy, _POLICIES))
    return wrong


def non_special_ip(path: str, ip: str) -> Errors:
    """An address of an endpoint: not loopback, unspecified or link-local."""
    if wrong := checks.ip(path, ip):
        return wrong
    address = ipaddress.ip_address(ip)
    if address.is_unspecified:
        return [field.invalid(path, ip, f"may not be unspecified ({ip})")]
    if address.is_loopback:
        return [field.invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if address.is_link_local:
        return [field.invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    if address.is_multicast and ip.startswith(("224.0.0.", "ff02:")):
        return [field.invalid(path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")]
    return []


def _balancer(spec: Obj) -> Errors:
    wrong: Errors = []
    balances = spec["type"] == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and not balances:
        wrong.append(field.forbidden("spec.LoadBalancerSourceRanges", _ONLY_BALANCER))
    for at, text in enumerate(ranges):
        wrong += checks.named(f"spec.LoadBalancerSourceRanges[{at}]", text.strip(), names.is_cidr)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balances:
        wrong.append(field.forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCER))
    if (name := spec.get("loadBalancerClass")) is not None:
        if not balances:
            wrong.append(field.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"))
        wrong += [field.invalid("spec.loadBalancerClass", name, why) for why in checks.qualified(name)]
    return wrong


def _traffic(spec: Obj) -> Errors:
    wrong: Errors = []
    external, port = spec.get("externalTrafficPolicy"), spec.get("healthCheckNodePort")
    if families.is_externally_accessible(spec):
        wrong += checks.one_of("spec.externalTrafficPolicy", external, _TRAFFIC)
    elif external:
        why = "may only be set for externally-accessible services"
        wrong.append(field.invalid("spec.externalTrafficPolicy", external, why))
    if port and not families.needs_health_port(spec):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        wrong.append(field.invalid("spec.healthCheckNodePort", port, why))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in _TRAFFIC:
        wrong.append(field.not_supported("spec.internalTrafficPolicy", internal, _TRAFFIC))
    if (distribution := spec.get("trafficDistribution")) not in (None, *_DISTRIBUTION):
        wrong.append(field.not_supported("spec.trafficDistribution", distribution, _DISTRIBUTION))
    return wrong


def validate_update(obj: Obj, old: Obj) -> Errors:
    spec, before = obj["spec"], old["spec"]
    wrong: Errors = []
    if families.needs_cluster_ip(spec) and families.needs_cluster_ip(before):
        wrong += _kept(spec, before)
    if spec["type"] == before.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") != before.get(
        "loadBalancerClass"
    ):
        why = "may not change once set"
        wrong.append(field.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), why))
    if families.needs_health_port(spec) and families.needs_health_port(before):
        was = before.get("healthCheckNodePort")
        if was and spec.get("healthCheckNodePort") != was:
            wrong.append(field.forbidden("spec.healthCheckNodePort", checks.IMMUTABLE))
    return wrong + validate(obj)


def _kept(spec: Obj, before: Obj) -> Errors:
    """The first address and family stay once given; the second may come and go."""
    new, old = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    wrong: Errors = []
    if old and (not new or new[0] != old[0]):
        why = "may not change once set"
        wrong.append(field.invalid("spec.clusterIPs[0]", new, why))
    if len(old) == len(new) == 2 and old[1] != new[1]:
        wrong.append(field.invalid("spec.clusterIPs[1]", new[1], "may not change once set"))
    families_new, families_old = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    if families_old and families_new and families_new[0] != families_old[0]:
        wrong.append(field.invalid("spec.ipFamilies[0]", families_new[0], "may not change once set"))
    return wrong
