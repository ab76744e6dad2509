"""May this pod run on this node? The last check, after the scheduler's: against what runs here now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubelet.pods import spec
from pocketkube.api.kinds.podspec import node_fit, resources

Obj = dict[str, Any]
Refusal = tuple[str, str]

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    }
)  # fmt: skip


def admit(
    pod: Obj, others: Iterable[Obj], *, node: Obj, allocatable: Mapping[str, str], unsafe_sysctls: tuple[str, ...] = ()
) -> Refusal | None:
    """(reason, message) of the first thing that speaks against it, None if nothing does."""
    if refusal := _sysctls(pod, unsafe_sysctls):
        return refusal
    others = list(others)
    if not spec.is_static(pod) and (refusal := _node_affinity(pod, node)):
        return refusal
    return _taints(pod, node) or _ports(pod, others) or _resources(pod, others, allocatable)


def _sysctls(pod: Obj, allowed: tuple[str, ...]) -> Refusal | None:
    context = pod["spec"].get("securityContext") or {}
    for entry in context.get("sysctls") or ():
        name = str(entry["name"]).replace("/", ".")
        known = name in SAFE_SYSCTLS or any(_matches(name, pattern) for pattern in allowed)
        if not known:
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
        if name.startswith("net.") and spec.host_network(pod):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host net enabled'
        if name.startswith(("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")) and pod["spec"].get("hostIPC"):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host ipc enabled'
    return None


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _node_affinity(pod: Obj, node: Obj) -> Refusal | None:
    metadata = node.get("metadata", {})
    fits = node_fit.selects(pod["spec"], metadata.get("labels") or {}, metadata.get("name", ""))
    return None if fits else ("NodeAffinity", "Predicate NodeAffinity failed")


def _taints(pod: Obj, node: Obj) -> Refusal | None:
    """Only NoExecute counts here: the scheduler has judged the others."""
    taints = (node.get("spec") or {}).get("taints") or ()
    tolerations = pod["spec"].get("tolerations") or ()
    if spec.is_static(pod) or node_fit.untolerated(taints, tolerations, node_fit.NO_EXECUTE) is None:
        return None
    return "TaintToleration", "Predicate TaintToleration failed"


def host_ports(pod: Obj) -> set[tuple[str, str, int]]:
    """(address, protocol, port) of each that the pod takes on the host."""
    return {
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in (*spec.init_containers(pod), *spec.containers(pod))
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _ports(pod: Obj, others: list[Obj]) -> Refusal | None:
    wanted = host_ports(pod)
    if not wanted:
        return None
    for address, protocol, port in (taken for other in others for taken in host_ports(other)):
        for own_address, own_protocol, own_port in wanted:
            same_address = "0.0.0.0" in (address, own_address) or address == own_address
            if (own_protocol, own_port) == (protocol, port) and same_address:
                return "NodePorts", "Predicate NodePorts failed"
    return None


def requests(pod: Obj) -> resources.Amounts:
    """What the pod asks of a node: CPU in milli, the rest in whole units. Static pods have no defaults: a limit alone is a request too."""
    if level := pod["spec"].get("resources"):
        pod = {**pod, "spec": {**pod["spec"], "resources": {"requests": _or_limits(level)}}}
    return resources.requests(
        pod, own=lambda container: resources.amounts(_or_limits(container.get("resources") or {}))
    )


def _or_limits(stated: Obj) -> dict[str, Any]:
    return {**(stated.get("limits") or {}), **(stated.get("requests") or {})}


def _resources(pod: Obj, others: list[Obj], allocatable: Mapping[str, str]) -> Refusal | None:
    if not allocatable:
        return None
    limit = int(allocatable.get("pods") or 0)
    if len(others) + 1 > limit:
        return (
            "OutOfpods",
            f"Node didn't have enough resource: pods, requested: 1, used: {len(others)}, capacity: {limit}",
        )
    used: dict[str, int] = {}
    for other in others:
        for name, taken in requests(other).items():
            used[name] = used.get(name, 0) + taken
    for name, wanted in requests(pod).items():
        have = resources.amount(name, allocatable[name]) if name in allocatable else 0
        if wanted > 0 and wanted + used.get(name, 0) > have:
            numbers = f"requested: {wanted}, used: {used.get(name, 0)}, capacity: {have}"
            return f"OutOf{name}", f"Node didn't have enough resource: {name}, {numbers}"
    return None
