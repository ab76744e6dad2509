"""Requests and limits as cgroup settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelet.pods import spec
from kubelet.runtime.interface import Resources
from pocketkube.api.meta import quantity

Obj = dict[str, Any]

MIN_SHARES, MAX_SHARES = 2, 262144
PERIOD, MIN_QUOTA = 100_000, 1000  # microseconds
CRITICAL = 2_000_000_000  # priority from which on a pod is never a victim


def cpu_shares(milli: int) -> int:
    return min(max(milli * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def cpu_quota(milli: int) -> int:
    """Microseconds a period; 0 for no limit."""
    return max(milli * PERIOD // 1000, MIN_QUOTA) if milli else 0


def amounts(resources: Mapping[str, Any] | None) -> tuple[int, int, int, int]:
    """(CPU request, CPU limit) in milli and (memory request, memory limit) in bytes; a request defaults to the limit."""
    limits, requests = (resources or {}).get("limits") or {}, (resources or {}).get("requests") or {}
    cpu_limit, memory_limit = (
        quantity.milli(str(limits.get("cpu", "0"))),
        quantity.value(str(limits.get("memory", "0"))),
    )
    cpu = quantity.milli(str(requests["cpu"])) if "cpu" in requests else cpu_limit
    memory = quantity.value(str(requests["memory"])) if "memory" in requests else memory_limit
    return cpu, cpu_limit, memory, memory_limit


def of_container(pod: Obj, container: Obj, *, machine_memory: int, pids: int = 0) -> Resources:
    """The limits of one container on a machine of `machine_memory` bytes."""
    cpu, cpu_limit, memory, memory_limit = amounts(container.get("resources"))
    return Resources(
        cpu_shares=cpu_shares(cpu),
        cpu_period=PERIOD if cpu_limit else 0,
        cpu_quota=cpu_quota(cpu_limit),
        memory=memory_limit,
        pids=pids,
        oom_score_adj=oom_score_adj(pod, memory, machine_memory=machine_memory),
    )


def oom_score_adj(pod: Obj, memory_request: int, *, machine_memory: int) -> int:
    """-997 for guaranteed and critical pods, 1000 for best effort, between 3 and 999 by how much memory was asked for."""
    quality = spec.qos_class(pod)
    if quality == "Guaranteed" or int(pod["spec"].get("priority") or 0) >= CRITICAL:
        return -997
    if quality == "BestEffort":
        return 1000
    return min(max(1000 - 1000 * memory_request // max(machine_memory, 1), 3), 999)
