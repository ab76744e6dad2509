"""Pods that keep more on this node's disk than they may: an emptyDir over its sizeLimit, a pod or container over its limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from kubelet.pods import spec
from kubelet.pods.worker import PodWorker
from kubelet.stats.storage import PodStorage, Storage
from pocketkube.api.meta import quantity
from pocketkube.base.clock import Clock

log = logging.getLogger(__name__)

Obj = dict[str, Any]

SECONDS = 10.0
RESOURCE = "ephemeral-storage"


def is_limited(pod: Obj) -> bool:
    """Whether there is anything to watch."""
    return bool(_size_limits(pod)) or any(_limit(c) for c in spec.containers(pod))


def excess(pod: Obj, stored: PodStorage) -> str | None:
    """Why the pod must go, in upstream's words; None if it may stay. Volumes first, then the whole pod, then each container."""
    for name, limit in _size_limits(pod).items():
        if name in stored.own and stored.volumes[name][1].bytes > quantity.value(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{quantity.canonical(limit)}". '
    limits = {c["name"]: _limit(c) for c in spec.containers(pod)}
    total = sum(quantity.value(limit) for limit in limits.values() if limit)
    if total and stored.ephemeral().bytes > total:
        together = quantity.render(total, form="binary")
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {together}. "
    for name, limit in limits.items():
        used = sum(size.bytes for size in stored.containers.get(name, ()))
        if limit and used > quantity.value(limit):
            return f'Container {name} exceeded its local ephemeral storage limit "{quantity.canonical(limit)}". '
    return None


def _limit(container: Obj) -> str:
    return str(((container.get("resources") or {}).get("limits") or {}).get(RESOURCE) or "")


def _size_limits(pod: Obj) -> dict[str, str]:
    """Of the emptyDir volumes on disk; one in memory is held to its limit by its file system."""
    sources = {v["name"]: v.get("emptyDir") or {} for v in pod["spec"].get("volumes") or ()}
    limits = {n: str(s["sizeLimit"]) for n, s in sources.items() if s.get("sizeLimit") and s.get("medium") != "Memory"}
    return {name: limit for name, limit in limits.items() if quantity.value(limit)}


class LocalStorage:
    """Ends each such pod as evicted. Only pods with limits cost anything."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        workers: Callable[[], Sequence[PodWorker]],
        tell: Callable[[Obj, str, str], None],
    ) -> None:
        self._storage, self._clock, self._workers, self._tell = storage, clock, workers, tell

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(SECONDS)

    async def look(self) -> None:
        """Once, over all pods."""
        for worker in self._workers():
            if worker.over or worker.terminating or spec.is_static(worker.pod) or not is_limited(worker.pod):
                continue
            message = excess(worker.pod, await self._storage.of(worker, newer_than=SECONDS))
            if message is not None:
                log.warning("ending pod %s: %s", spec.full_name(worker.pod), message)
                self._tell(worker.pod, "Evicted", message)
                worker.reject("Evicted", message, grace=1.0)
