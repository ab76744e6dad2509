"""The Node object and its status from what the machine and the engine are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubelet.config import KubeletConfig
from kubelet.node.machine import Disk, Memory
from kubelet.runtime.interface import ImageRecord, Version
from pocketkube.api.meta import quantity

Obj = dict[str, Any]

KUBELET_VERSION = "v1.37.0"
IMAGES_SHOWN = 50
OWN = ("cpu", "memory", "ephemeral-storage", "pods", "hugepages-1Gi", "hugepages-2Mi")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`problem` is why pods cannot run now, "" if they can. `pressure` holds Memory, Disk, PID where there is too little."""

    hostname: str
    addresses: tuple[str, ...]
    cores: int
    memory: Memory
    disk: Disk
    architecture: str
    version: Version
    os_image: str
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    images: Sequence[ImageRecord] = ()
    problem: str = ""
    pressure: frozenset[str] = frozenset()
    transitions: Mapping[str, str] = field(default_factory=dict)


def node_object(config: KubeletConfig, facts: Facts) -> Obj:
    """What the kubelet registers."""
    meta: Obj = {
        "name": config.node_name,
        "labels": labels(config, facts),
        "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
    }
    body: Obj = {}
    taints = [{"key": k, "value": v, "effect": e} if v else {"key": k, "effect": e} for k, v, e in config.taints]
    if not config.register_schedulable:
        body["unschedulable"] = True
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})  # lifted once the node is ready
    body["taints"] = taints
    if config.provider_id:
        body["providerID"] = config.provider_id
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": body}


def labels(config: KubeletConfig, facts: Facts) -> dict[str, str]:
    found = {
        "kubernetes.io/hostname": facts.hostname,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
    }
    found |= {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": facts.architecture}
    return {**found, **dict(config.node_labels)}


def capacity(config: KubeletConfig, facts: Facts) -> dict[str, str]:
    return {
        "cpu": str(facts.cores),
        "memory": f"{facts.memory.total // 1024}Ki",
        "ephemeral-storage": f"{facts.disk.capacity // 1024}Ki",
        "pods": str(config.max_pods),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }


def allocatable(config: KubeletConfig, facts: Facts) -> dict[str, str]:
    """Capacity less what is reserved and, of memory and disk, what eviction keeps free."""
    hard = dict(config.eviction_hard)
    milli = facts.cores * 1000 - reserved(config, "cpu", milli=True)
    memory = (
        facts.memory.total - reserved(config, "memory") - threshold(hard.get("memory.available"), facts.memory.total)
    )
    disk = facts.disk.capacity - reserved(config, "ephemeral-storage")
    disk -= threshold(hard.get("nodefs.available"), facts.disk.capacity)
    return {
        **capacity(config, facts),
        "cpu": str(milli // 1000) if milli % 1000 == 0 else f"{milli}m",
        "memory": f"{max(memory, 0) // 1024}Ki",
        "ephemeral-storage": str(max(disk, 0)),
    }


def reserved(config: KubeletConfig, name: str, *, milli: bool = False) -> int:
    amounts = [dict(part).get(name, "0") for part in (config.system_reserved, config.kube_reserved)]
    return sum(quantity.milli(a) if milli else quantity.value(a) for a in amounts)


def threshold(stated: str | None, total: int) -> int:
    """An eviction threshold, a quantity or a percentage of `total`, in its unit."""
    if not stated:
        return 0
    return int(total * float(stated[:-1]) / 100) if stated.endswith("%") else quantity.value(stated)


def conditions(facts: Facts, *, now: str, old: Mapping[str, Obj]) -> list[Obj]:
    """The four that a kubelet owns; `old` maps a type to the condition before."""
    wanted = [
        _pressure(
            "MemoryPressure", "Memory" in facts.pressure, "InsufficientMemory", "SufficientMemory", "memory available"
        ),
        _pressure("DiskPressure", "Disk" in facts.pressure, "DiskPressure", "NoDiskPressure", "disk pressure"),
        _pressure("PIDPressure", "PID" in facts.pressure, "InsufficientPID", "SufficientPID", "PID available"),
        _ready(facts.problem),
    ]
    for condition in wanted:
        before = old.get(condition["type"]) or {}
        same = before.get("status") == condition["status"]
        condition["lastHeartbeatTime"] = now
        condition["lastTransitionTime"] = (before.get("lastTransitionTime") or now) if same else now
    return wanted


def _pressure(kind: str, is_true: bool, bad: str, good: str, words: str) -> Obj:
    if kind == "DiskPressure":
        text = "kubelet has disk pressure" if is_true else "kubelet has no disk pressure"
    else:
        text = f"kubelet has {'insufficient' if is_true else 'sufficient'} {words}"
    return {"type": kind, "status": str(is_true), "reason": f"KubeletHas{bad if is_true else good}", "message": text}


def _ready(problem: str) -> Obj:
    if problem:
        return {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": problem}
    return {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}


def node_status(config: KubeletConfig, facts: Facts, node: Obj, *, now: str) -> Obj:
    """The whole status; what others have put there (extended resources, other conditions) is kept by the patch."""
    old = node.get("status") or {}
    before = {c["type"]: c for c in old.get("conditions") or ()}
    extended = {k: v for k, v in (old.get("capacity") or {}).items() if k not in OWN}
    return {
        "capacity": {**extended, **capacity(config, facts)},
        "allocatable": {**extended, **allocatable(config, facts)},
        "conditions": conditions(facts, now=now, old=before),
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in facts.addresses),
            {"type": "Hostname", "address": facts.hostname},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.port}},
        "nodeInfo": _info(facts),
        "images": [
            _image(i) for i in sorted(facts.images, key=lambda i: -i.size)[:IMAGES_SHOWN] if i.tags or i.digests
        ],
    }


def _info(facts: Facts) -> Obj:
    return {
        "machineID": facts.machine_id,
        "systemUUID": facts.system_uuid,
        "bootID": facts.boot_id,
        "kernelVersion": facts.version.kernel,
        "osImage": facts.os_image,
        "containerRuntimeVersion": f"{facts.version.name}://{facts.version.version}",
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": facts.architecture,
    }


def _image(image: ImageRecord) -> Obj:
    return {"names": [*image.digests, *image.tags][:5], "sizeBytes": image.size}


def significant(status: Obj) -> Obj:
    """The status without heartbeats: what is worth a write at once when it changes."""
    quiet = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status.get("conditions") or ()]
    return {**status, "conditions": sorted(quiet, key=lambda c: str(c["type"]))}
