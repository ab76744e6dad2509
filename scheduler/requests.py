"""What a pod asks of a node, as the scheduler counts it: also what a resize still holds, and for scoring what was left unsaid.

Resource name -> whole number (cpu in thousandths, the rest in units).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocketkube.api.kinds.podspec import resources
from pocketkube.api.kinds.podspec.resources import amounts

Obj = dict[str, Any]
Resources = resources.Amounts

# What scoring assumes of a container that states nothing, so that such pods spread too.
UNSTATED = {"cpu": 100, "memory": 200 * 1024 * 1024}


def pod_requests(pod: Obj) -> Resources:
    """What the node must have free for the pod."""
    allocated = _allocated(pod)
    return resources.requests(pod, own=lambda container: _of(container, allocated))


def pod_requests_for_scoring(pod: Obj) -> tuple[int, int]:
    """(cpu, memory) where containers that ask for none count as small ones."""
    allocated = _allocated(pod)
    total = resources.requests(pod, own=lambda container: _or_small(_of(container, allocated)))
    return total.get("cpu", 0), total.get("memory", 0)


def _of(container: Obj, allocated: Mapping[str, Resources]) -> Resources:
    need = amounts((container.get("resources") or {}).get("requests"))
    for name, n in (allocated.get(container["name"]) or {}).items():
        need[name] = max(need.get(name, 0), n)
    return need


def _or_small(need: Resources) -> Resources:
    return {**need, **{name: n for name, n in UNSTATED.items() if not need.get(name)}}


def _allocated(pod: Obj) -> Mapping[str, Resources]:
    """What the kubelet still holds for containers that are being resized: the node must bear the larger."""
    status = pod.get("status") or {}
    found: dict[str, Resources] = {}
    for part in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(part) or ():
            if container.get("allocatedResources"):
                found[container["name"]] = amounts(container["allocatedResources"])
    return found
