"""What a pod asks of a node: resource name -> whole number (cpu in thousandths, the rest in units).

A pod needs the sum of its containers and sidecars, or more while its init containers run; upstream's PodRequests.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pocketkube.api.meta import quantity

Obj = dict[str, Any]
Resources = dict[str, int]

# What scoring assumes of a container that states nothing, so that such pods spread too.
UNSTATED_CPU = 100
UNSTATED_MEMORY = 200 * 1024 * 1024

POD_LEVEL = ("cpu", "memory", "hugepages-")  # what a pod may state for all of its containers together


@lru_cache(maxsize=65536)
def amount(resource: str, text: str) -> int:
    return quantity.milli(text) if resource == "cpu" else quantity.value(text)


def amounts(quantities: Mapping[str, Any] | None) -> Resources:
    """`{"cpu": "100m"}` is `{"cpu": 100}`."""
    return {name: amount(name, str(text)) for name, text in (quantities or {}).items()}


def pod_requests(pod: Obj) -> Resources:
    """What the node must have free for the pod."""
    return _total(pod, unstated=None)


def pod_requests_for_scoring(pod: Obj) -> tuple[int, int]:
    """(cpu, memory) where containers that ask for none count as small ones."""
    total = _total(pod, unstated={"cpu": UNSTATED_CPU, "memory": UNSTATED_MEMORY})
    return total.get("cpu", 0), total.get("memory", 0)


def _total(pod: Obj, *, unstated: Resources | None) -> Resources:
    spec = pod["spec"]
    allocated = _allocated(pod)
    total: Resources = {}
    for container in spec.get("containers") or ():
        _add(total, _of(container, allocated, unstated))
    inits = spec.get("initContainers")
    if inits:
        total = _with_init_containers(total, inits, allocated, unstated)
    stated = (spec.get("resources") or {}).get("requests")
    if stated:
        total.update({name: n for name, n in amounts(stated).items() if name.startswith(POD_LEVEL)})
    if spec.get("overhead"):
        _add(total, amounts(spec["overhead"]))
    return total


def _with_init_containers(
    total: Resources, inits: list[Obj], allocated: Mapping[str, Resources], unstated: Resources | None
) -> Resources:
    """Init containers run one by one beside the sidecars started before them; the pod needs the highest step."""
    sidecars: Resources = {}
    highest: Resources = {}
    for container in inits:
        need = _of(container, allocated, unstated)
        if container.get("restartPolicy") == "Always":
            _add(total, need)
            _add(sidecars, need)
            need = dict(sidecars)
        else:
            _add(need, sidecars)
        for name, n in need.items():
            highest[name] = max(highest.get(name, 0), n)
    return {name: max(total.get(name, 0), highest.get(name, 0)) for name in (*total, *highest)}


def _of(container: Obj, allocated: Mapping[str, Resources], unstated: Resources | None) -> Resources:
    need = amounts((container.get("resources") or {}).get("requests"))
    for name, n in (allocated.get(container["name"]) or {}).items():
        need[name] = max(need.get(name, 0), n)
    if unstated is not None:
        for name, n in unstated.items():
            if not need.get(name):
                need[name] = n
    return need


def _allocated(pod: Obj) -> Mapping[str, Resources]:
    """What the kubelet still holds for containers that are being resized: the node must bear the larger."""
    status = pod.get("status") or {}
    found: dict[str, Resources] = {}
    for part in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(part) or ():
            if container.get("allocatedResources"):
                found[container["name"]] = amounts(container["allocatedResources"])
    return found


def _add(total: Resources, more: Resources) -> None:
    for name, n in more.items():
        total[name] = total.get(name, 0) + n
