"""The Summary of /stats/summary: this node, the programs that keep it, and every pod that runs on it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubelet.node import machine
from kubelet.node.agent import NodeAgent
from kubelet.pods.manager import PodManager
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import ContainerRecord, Runtime, RuntimeFailure, Usage
from kubelet.stats import measures
from kubelet.stats.folders import FolderSizes, Size
from kubelet.stats.storage import PodStorage, Storage
from pocketkube.api.meta import times
from pocketkube.base.clock import Clock

Obj = dict[str, Any]

FIGURES = {
    "cpu": ("usageNanoCores", "usageCoreNanoSeconds"),
    "memory": ("usageBytes", "workingSetBytes", "rssBytes", "pageFaults", "majorPageFaults"),
}


class Stats:
    """`pods` and `node` are asked anew at each call; what is slow to measure (disk) may be a minute old."""

    def __init__(
        self, runtime: Runtime, manager: PodManager, node: NodeAgent, clock: Clock, *, root: Path, name: str
    ) -> None:
        self._runtime, self._manager, self._node, self._clock = runtime, manager, node, clock
        self._root, self._name = root, name
        self._rates: dict[str, tuple[int, float, int]] = {}  # -> (nanoseconds, when, nanocores)
        self.storage = Storage(runtime, FolderSizes(clock), root)

    async def summary(self) -> Obj:
        """A stats.Summary."""
        workers = [w for w in self._manager.workers.values() if w.records.running()]
        pods = list(await asyncio.gather(*(self._pod(w) for w in workers)))
        known = {"machine", "kubelet", "runtime", *(r.id for w in workers for r in w.records.running())}
        self._rates = {key: rate for key, rate in self._rates.items() if key in known}
        return {"node": self._machine(pods), "pods": pods}

    # the node

    def _machine(self, pods: Sequence[Obj]) -> Obj:
        now, memory = self._now(), machine.memory()
        running, limit = machine.processes()
        images = Path(self._node.engine.root) if self._node.engine.root else self._root
        image_fs = {"time": now, **measures.disk(machine.disk(images))}
        used = memory.total - memory.available
        return {
            "nodeName": self._name,
            "systemContainers": self._programs(pods),
            "startTime": _moment(measures.boot_time()),
            "cpu": {"time": now, **self._rate("machine", measures.machine_cpu_nanos())},
            "memory": {
                "time": now, "availableBytes": memory.available, "usageBytes": used, "workingSetBytes": used,
                "rssBytes": memory.anonymous, "pageFaults": memory.faults, "majorPageFaults": memory.major_faults,
            },
            "network": self._network("self", measures.default_interface()),
            "fs": {"time": now, **measures.disk(machine.disk(self._root))},
            "runtime": {"imageFs": image_fs, "containerFs": image_fs},
            "rlimit": {"time": now, "maxpid": limit, "curproc": running},
            "swap": {
                "time": now, "swapAvailableBytes": memory.swap_free,
                "swapUsageBytes": memory.swap_total - memory.swap_free,
            },
        }  # fmt: skip

    def _programs(self, pods: Sequence[Obj]) -> list[Obj]:
        """What upstream calls system containers: this kubelet, the engine, and all pods together."""
        now, found = self._now(), []
        for name, pid in (("kubelet", os.getpid()), ("runtime", self._node.engine.pid)):
            figures = measures.process(pid) if pid else None
            if figures is not None:
                memory = dict.fromkeys(("usageBytes", "workingSetBytes", "rssBytes"), figures.rss)
                faults = {"pageFaults": figures.faults, "majorPageFaults": figures.major_faults}
                cpu = {"time": now, **self._rate(name, figures.cpu_nanos)}
                began = _moment(figures.started)
                found.append(
                    {"name": name, "startTime": began, "cpu": cpu, "memory": {"time": now, **memory, **faults}}
                )
        return [
            *found,
            {
                "name": "pods",
                "startTime": _moment(measures.boot_time()),
                "cpu": _summed("cpu", pods, now),
                "memory": _summed("memory", pods, now),
            },
        ]

    # a pod

    async def _pod(self, worker: PodWorker) -> Obj:
        running = worker.records.running()
        used = await asyncio.gather(*(self._usage(r) for r in running))
        stored = await self.storage.of(worker)
        now, meta = self._now(), worker.pod["metadata"]
        containers = [self._container(r, u, stored, now) for r, u in zip(running, used, strict=True)]
        sandbox = worker.records.sandbox()
        network = {}
        if sandbox is not None and sandbox.pid and not sandbox.host_network:
            network = {"network": self._network(sandbox.pid, "eth0")}
        return {
            "podRef": {"name": meta["name"], "namespace": meta.get("namespace", "default"), "uid": worker.uid},
            "startTime": worker.status.get("startTime") or now,
            "containers": containers,
            "cpu": _summed("cpu", containers, now),
            "memory": _summed("memory", containers, now),
            **network,
            "volume": self._volumes(worker, stored, now),
            "ephemeral-storage": self._taken(stored.ephemeral(), now),
            "process_stats": {"process_count": sum(u.pids for u in used)},
        }

    def _container(self, record: ContainerRecord, used: Usage, stored: PodStorage, now: str) -> Obj:
        layer, log = stored.containers.get(record.name, (Size(), Size()))
        return {
            "name": record.name,
            "startTime": times.rfc3339(record.started_at or record.created_at),
            "cpu": {"time": now, **self._rate(record.id, used.cpu_nanos)},
            "memory": {
                "time": now, "usageBytes": used.memory, "workingSetBytes": used.working_set, "rssBytes": used.rss,
                "pageFaults": used.faults, "majorPageFaults": used.major_faults,
            },
            "rootfs": self._taken(layer, now),
            "logs": self._taken(log, now),
        }  # fmt: skip

    def _volumes(self, worker: PodWorker, stored: PodStorage, now: str) -> list[Obj]:
        found = []
        claims = {
            v["name"]: {
                "name": v["persistentVolumeClaim"]["claimName"],
                "namespace": worker.pod["metadata"]["namespace"],
            }
            for v in worker.pod["spec"].get("volumes") or ()
            if v.get("persistentVolumeClaim")
        }
        for name, (path, size) in stored.volumes.items():
            file_system = measures.disk(machine.disk(path))
            claim = {"pvcRef": claims[name]} if name in claims else {}
            found.append(
                {"name": name, "time": now, **file_system, "usedBytes": size.bytes, "inodesUsed": size.inodes, **claim}
            )
        return found

    # parts

    def _taken(self, size: Size, now: str) -> Obj:
        """An FsStats: what of the node's disk is taken by one thing."""
        return {
            "time": now, **measures.disk(machine.disk(self._root)), "usedBytes": size.bytes, "inodesUsed": size.inodes
        }  # fmt: skip

    def _network(self, pid: int | str, default: str) -> Obj:
        """The figures of the default interface stand twice, as upstream's."""
        found = measures.interfaces(pid)
        first = next((i for i in found if i["name"] == default), {"name": default})
        return {"time": self._now(), **first, "interfaces": found}

    def _now(self) -> str:
        return times.rfc3339(self._clock.now())

    def _rate(self, key: str, nanos: int) -> Obj:
        """Cores since the call before, in billionths; calls within a second share their figure."""
        now = time.monotonic()
        before = self._rates.get(key)
        if before is None:
            self._rates[key] = nanos, now, 0
        elif now - before[1] >= 1.0:
            self._rates[key] = nanos, now, int(max(nanos - before[0], 0) / (now - before[1]))
        return {"usageNanoCores": self._rates[key][2], "usageCoreNanoSeconds": nanos}

    async def _usage(self, record: ContainerRecord) -> Usage:
        try:
            return await self._runtime.usage(record)
        except RuntimeFailure:
            return Usage()

    async def usage_of_pods(self, resource: str) -> dict[str, int]:
        """Bytes of memory, or of disk, by pod uid."""
        found = {}
        for uid, worker in list(self._manager.workers.items()):
            if resource == "memory":
                used = await asyncio.gather(*(self._usage(r) for r in worker.records.running()))
                found[uid] = sum(u.working_set for u in used)
            else:
                found[uid] = (await self.storage.of(worker)).ephemeral().bytes
        return found


def _summed(part: str, of: Sequence[Obj], now: str) -> Obj:
    """The same figures of several containers or pods, together."""
    return {"time": now, **{name: sum(one[part][name] for one in of) for name in FIGURES[part]}}


def _moment(seconds: float) -> str:
    return times.rfc3339(datetime.fromtimestamp(seconds, UTC))
