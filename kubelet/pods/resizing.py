"""Gives running containers the limits that their pod's spec says now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kubelet.pods import resources, spec
from kubelet.pods.hosted import HostedPod
from kubelet.pods.plan import Kill
from kubelet.runtime.interface import ContainerRecord, EngineDown, Resources, RuntimeFailure

Obj = dict[str, Any]


async def resize(pod: HostedPod) -> list[Kill]:
    """Returns the containers that take their new limits only by a restart."""
    restarts = []
    for record in pod.records.running():
        container = spec.container(pod.obj, record.name)
        if container is None or container in spec.ephemeral_containers(pod.obj):
            continue
        wanted = resources.of_container(pod.obj, container, machine_memory=pod.host.machine_memory)
        wanted = replace(wanted, oom_score_adj=record.resources.oom_score_adj, pids=record.resources.pids)
        if wanted == record.resources:
            continue
        if _restarts(container, record.resources, wanted):
            record.resources = wanted
            restarts.append(Kill(record, f"Container {record.name} resize requires restart"))
        else:
            await _update(pod, record, wanted)
    return restarts


async def _update(pod: HostedPod, record: ContainerRecord, wanted: Resources) -> None:
    try:
        await pod.host.runtime.update_container(record, wanted)
    except EngineDown:
        raise
    except RuntimeFailure as e:
        pod.tell("Warning", "ResizeError", str(e), container=record.name)
    record.resources = wanted  # also what was refused: it is not asked for again until the spec changes


def _restarts(container: Obj, old: Resources, new: Resources) -> bool:
    changed = {"memory"} if old.memory != new.memory else set()
    if (old.cpu_shares, old.cpu_quota) != (new.cpu_shares, new.cpu_quota):
        changed.add("cpu")
    policies = {p["resourceName"]: p["restartPolicy"] for p in container.get("resizePolicy") or ()}
    return any(policies.get(name) == "RestartContainer" for name in changed)
