"""What pods keep on this node's own disk: what their containers have written, their logs, their volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubelet.pods.paths import PodPaths
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import ContainerFiles, ContainerRecord, Runtime, RuntimeFailure
from kubelet.stats.folders import KEPT_SECONDS, FolderSizes, Size

OWN = ("kubernetes.io~empty-dir", "kubernetes.io~configmap", "kubernetes.io~downward-api")  # on the node's own disk


@dataclass(frozen=True, slots=True)
class PodStorage:
    """By container (what it wrote, its log) and by volume (where it is, what it takes); `own` names the volumes on this node's disk."""

    containers: Mapping[str, tuple[Size, Size]] = field(default_factory=dict)
    volumes: Mapping[str, tuple[Path, Size]] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    def ephemeral(self) -> Size:
        """All that goes with the pod."""
        volumes = [size for name, (_, size) in self.volumes.items() if name in self.own]
        return Size.total([*volumes, *(size for both in self.containers.values() for size in both)])


class Storage:
    """Asks the engine once for each container where its files are."""

    def __init__(self, runtime: Runtime, sizes: FolderSizes, root: Path) -> None:
        self._runtime, self._sizes, self._root = runtime, sizes, root
        self._files: dict[str, ContainerFiles] = {}

    async def of(self, worker: PodWorker, *, newer_than: float = KEPT_SECONDS) -> PodStorage:
        """At most `newer_than` seconds old."""
        containers = {}
        for record in worker.records.running():
            files = await self._files_of(record)
            sizes = [await self._sizes.of(p, newer_than=newer_than) if p else Size() for p in (files.layer, files.log)]
            containers[record.name] = sizes[0], sizes[1]
        volumes, own = {}, set()
        for path in PodPaths(self._root, worker.uid).volumes.glob("*/*"):
            if path.is_dir():
                volumes[path.name] = path, await self._sizes.of(path, newer_than=newer_than)
                own |= {path.name} if path.parent.name in OWN and not path.is_mount() else set()
        return PodStorage(containers, volumes, frozenset(own))

    async def _files_of(self, record: ContainerRecord) -> ContainerFiles:
        if record.id not in self._files:
            try:
                self._files[record.id] = await self._runtime.files(record)
            except RuntimeFailure:
                return ContainerFiles()  # it has gone
            self._forget()
        return self._files[record.id]

    def _forget(self) -> None:
        """Containers that are no more."""
        known = {c for pod in self._runtime.records.values() for c in pod.containers}
        self._files = {container: files for container, files in self._files.items() if container in known}
