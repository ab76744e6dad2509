"""What node and pods use: /stats/summary, and the same as Prometheus text for /metrics/resource and /metrics/cadvisor."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubelet.node import machine
from kubelet.node.agent import NodeAgent
from kubelet.pods.manager import PodManager
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import Runtime, RuntimeFailure, Usage
from pocketkube.api.meta import times
from pocketkube.base.clock import Clock

Obj = dict[str, Any]


class Stats:
    def __init__(
        self, runtime: Runtime, manager: PodManager, node: NodeAgent, clock: Clock, *, root: Path, name: str
    ) -> None:
        self._runtime, self._manager, self._node, self._clock = runtime, manager, node, clock
        self._root, self._name = root, name
        self._rates: dict[str, tuple[int, float, int]] = {}  # -> (nanoseconds, when, nanocores)

    async def summary(self) -> Obj:
        """A stats.Summary."""
        workers = [w for w in self._manager.workers.values() if w.records.running()]
        return {"node": self._node_stats(), "pods": list(await asyncio.gather(*(self._pod(w) for w in workers)))}

    def _node_stats(self) -> Obj:
        now, memory, disk = times.rfc3339(self._clock.now()), machine.memory(), machine.disk(self._root)
        running, limit = machine.processes()
        fs = {
            "time": now, "availableBytes": disk.available, "capacityBytes": disk.capacity,
            "usedBytes": disk.capacity - disk.available, "inodesFree": disk.inodes_free, "inodes": disk.inodes,
            "inodesUsed": disk.inodes - disk.inodes_free,
        }  # fmt: skip
        used = memory.total - memory.available
        return {
            "nodeName": self._name,
            "startTime": times.rfc3339(self._clock.now()),
            "cpu": {"time": now, **self._rate("node", _host_cpu_nanos())},
            "memory": {"time": now, "availableBytes": memory.available, "usageBytes": used, "workingSetBytes": used},
            "fs": fs,
            "runtime": {"imageFs": fs, "containerFs": fs},
            "rlimit": {"time": now, "maxpid": limit, "curproc": running},
        }

    async def _pod(self, worker: PodWorker) -> Obj:
        running = worker.records.running()
        used = await asyncio.gather(*(self._usage(r.id) for r in running))
        now = times.rfc3339(self._clock.now())
        meta = worker.pod["metadata"]
        containers = [
            {"name": r.name, "startTime": times.rfc3339(r.started_at or r.created_at), **self._figures(r.id, u, now)}
            for r, u in zip(running, used, strict=True)
        ]
        return {
            "podRef": {"name": meta["name"], "namespace": meta.get("namespace", "default"), "uid": worker.uid},
            "startTime": worker.status.get("startTime") or now,
            "containers": containers,
            "cpu": {
                "time": now,
                "usageNanoCores": sum(c["cpu"]["usageNanoCores"] for c in containers),
                "usageCoreNanoSeconds": sum(c["cpu"]["usageCoreNanoSeconds"] for c in containers),
            },
            "memory": {
                "time": now,
                "usageBytes": sum(u.memory for u in used),
                "workingSetBytes": sum(u.working_set for u in used),
            },
            "process_stats": {"process_count": sum(u.pids for u in used)},
        }

    def _figures(self, container: str, used: Usage, now: str) -> Obj:
        return {
            "cpu": {"time": now, **self._rate(container, used.cpu_nanos)},
            "memory": {"time": now, "usageBytes": used.memory, "workingSetBytes": used.working_set},
        }

    def _rate(self, key: str, nanos: int) -> Obj:
        """Cores since the call before, in billionths; calls within a second share their figure."""
        now = time.monotonic()
        before = self._rates.get(key)
        if before is None:
            self._rates[key] = nanos, now, 0
        elif now - before[1] >= 1.0:
            self._rates[key] = nanos, now, int(max(nanos - before[0], 0) / (now - before[1]))
        return {"usageNanoCores": self._rates[key][2], "usageCoreNanoSeconds": nanos}

    async def _usage(self, container: str) -> Usage:
        record = next(
            (r for p in self._runtime.records.values() for r in p.containers.values() if r.id == container), None
        )
        if record is None:
            return Usage()
        try:
            return await self._runtime.usage(record)
        except RuntimeFailure:
            return Usage()

    async def usage_of_pods(self, resource: str) -> dict[str, int]:
        """Bytes of memory, or of disk, by pod uid."""
        if resource != "memory":
            return {
                uid: await asyncio.to_thread(_folder_bytes, self._root / "pods" / uid) for uid in self._manager.workers
            }
        found = {}
        for uid, worker in list(self._manager.workers.items()):
            used = await asyncio.gather(*(self._usage(r.id) for r in worker.records.running()))
            found[uid] = sum(u.working_set for u in used)
        return found

    async def metrics(self) -> bytes:
        """Figures of node, pods and containers in the names of /metrics/resource and /metrics/cadvisor."""
        found = await self.summary()
        lines: dict[str, list[str]] = {}

        def add(name: str, value: float, **labels: str) -> None:
            inner = ",".join(f'{k}="{v}"' for k, v in labels.items())
            lines.setdefault(name, []).append(f"{name}{{{inner}}} {value}" if inner else f"{name} {value}")

        node = found["node"]
        add("node_cpu_usage_seconds_total", node["cpu"]["usageCoreNanoSeconds"] / 1e9)
        add("node_memory_working_set_bytes", node["memory"]["workingSetBytes"])
        for pod in found["pods"]:
            ref = {"namespace": pod["podRef"]["namespace"], "pod": pod["podRef"]["name"]}
            add("pod_cpu_usage_seconds_total", pod["cpu"]["usageCoreNanoSeconds"] / 1e9, **ref)
            add("pod_memory_working_set_bytes", pod["memory"]["workingSetBytes"], **ref)
            for container in pod["containers"]:
                who = {"container": container["name"], **ref}
                add("container_cpu_usage_seconds_total", container["cpu"]["usageCoreNanoSeconds"] / 1e9, **who)
                add("container_memory_working_set_bytes", container["memory"]["workingSetBytes"], **who)
                add("container_memory_usage_bytes", container["memory"]["usageBytes"], **who)
        text = []
        for name, samples in lines.items():
            text += [f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}", *samples]
        return ("\n".join(text) + "\n").encode()


def _folder_bytes(folder: Path) -> int:
    """What the files of a folder take on the disk."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # gone since it was listed
            total += path.lstat().st_blocks * 512
    return total


def _host_cpu_nanos() -> int:
    fields = [int(v) for v in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) * 10_000_000
