"""configMap: the keys of a ConfigMap as files, replaced in one step when it changes."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes import atomic_writer
from kubelet.volumes.interface import Mounted, Request
from kubelet.volumes.items import files_of

Obj = dict[str, Any]


class ConfigMap:
    field = "configMap"
    live = True

    def references(self, source: Obj) -> set[Reference]:
        return {("configmap", source.get("name", ""))}

    async def set_up(self, request: Request) -> Mounted:
        wanted = files_of("configmap", request.source.get("name", ""), request)
        await asyncio.to_thread(_write, request, wanted)
        return Mounted(request.folder)


def _write(request: Request, wanted: dict[str, atomic_writer.File]) -> None:
    request.folder.mkdir(parents=True, exist_ok=True)
    atomic_writer.write(request.folder, wanted, group=request.fs_group)


VOLUME = ConfigMap()
