"""Ends what runs of one pod, its containers, sidecars after the others and in reverse order, and removes what is left."""

from __future__ import annotations

import asyncio

from kubelet.pods import spec
from kubelet.pods.hosted import HostedPod
from kubelet.pods.plan import Kill
from kubelet.runtime.interface import ContainerRecord


async def kill_pod(pod: HostedPod, *, grace: float) -> None:
    """All of it, within `grace` seconds or the pod's deadline, whichever is nearer."""
    await stop_containers(pod, end=pod.host.clock.monotonic() + grace)
    await remove_sandboxes(pod)


async def stop_containers(pod: HostedPod, *, end: float) -> None:
    """Returns when all have exited; `end` is on the monotonic clock."""
    running = pod.records.running()
    sidecars = [c["name"] for c in spec.init_containers(pod.obj) if spec.is_sidecar(c)]
    await asyncio.gather(*(_stop(pod, r, end) for r in running if r.name not in sidecars))
    for name in reversed(sidecars):
        await asyncio.gather(*(_stop(pod, r, end) for r in running if r.name == name))


async def _stop(pod: HostedPod, record: ContainerRecord, end: float) -> None:
    left = max(min(end, pod.deadline.at) - pod.host.clock.monotonic(), 0.0)
    await kill(pod, Kill(record, f"Stopping container {record.name}", left))


async def kill(pod: HostedPod, wanted: Kill) -> None:
    """One container, as a plan has it."""
    record = wanted.record
    pod.tell("Normal", "Killing", wanted.message, container=record.name)
    await pod.host.killer.kill(
        pod.obj,
        record,
        grace=spec.grace_seconds(pod.obj) if wanted.grace is None else wanted.grace,
        deadline=pod.deadline,
        warn=lambda reason, message: pod.tell("Warning", reason, message, container=record.name),
    )


async def remove_sandboxes(pod: HostedPod) -> None:
    await remove_unstarted(pod)
    runtime = pod.host.runtime
    await asyncio.gather(*(runtime.remove_sandbox(s) for s in list(pod.records.sandboxes.values())))


async def remove_unstarted(pod: HostedPod) -> None:
    """Containers that were made and will not be started."""
    for record in [r for r in pod.records.containers.values() if r.state == "created"]:
        await pod.host.runtime.remove_container(record)


async def remove_old_attempts(pod: HostedPod) -> None:
    """Of each container the newest attempt stays, and as many dead ones before it as the settings say."""
    keep = 1 + max(pod.host.config.max_dead_containers, 1)
    for container in spec.all_containers(pod.obj):
        for record in pod.records.attempts(container["name"])[keep:]:
            if record.state == "exited":
                await pod.host.runtime.remove_container(record)
                pod.paths.termination_message(record.name, record.attempt).unlink(missing_ok=True)
