"""emptyDir: a folder of the pod's own, 0777; in memory if asked for."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes.interface import Mounted, Request
from kubelet.volumes.mounting import ensure_tmpfs
from kubelet.volumes.ownership import give_to_group
from pocketkube.api.meta import quantity

Obj = dict[str, Any]


class EmptyDir:
    field = "emptyDir"
    live = False

    def references(self, source: Obj) -> set[Reference]:
        return set()

    async def set_up(self, request: Request) -> Mounted:
        return await asyncio.to_thread(self._set_up, request) if request.source.get("medium") else self._set_up(request)

    def _set_up(self, request: Request) -> Mounted:
        ready = request.folder.with_name(request.folder.name + ".ready")
        if request.source.get("medium") == "Memory":
            ensure_tmpfs(request.folder, size=_size(request), mode=0o777)
        request.folder.mkdir(parents=True, exist_ok=True)
        if not ready.exists():  # a container may have changed mode and owner since
            os.chmod(request.folder, 0o777)
            if request.fs_group is not None:
                give_to_group(request.folder, request.fs_group)
            ready.touch()
        return Mounted(request.folder)


def _size(request: Request) -> int:
    """Bytes of a memory volume: its limit, at most what the pod's containers may use together."""
    limit = quantity.value(str(request.source.get("sizeLimit") or "0"))
    memory = [quantity.value(str(m)) if (m := _memory_limit(c)) else 0 for c in request.pod["spec"]["containers"]]
    total = sum(memory) if all(memory) else 0
    return min(size for size in (limit, total) if size) if limit or total else 0


def _memory_limit(container: Obj) -> Any:
    return ((container.get("resources") or {}).get("limits") or {}).get("memory")


VOLUME = EmptyDir()
