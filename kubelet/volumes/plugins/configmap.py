"""configMap: the keys of a ConfigMap as files, replaced in one step when it changes."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes import atomic_writer
from kubelet.volumes.content import data_of
from kubelet.volumes.interface import Mounted, Request, VolumeFailure
from kubelet.volumes.items import default_mode, files

Obj = dict[str, Any]


class ConfigMap:
    field = "configMap"
    live = True

    def references(self, source: Obj) -> set[Reference]:
        return {("configmap", source.get("name", ""))}

    async def set_up(self, request: Request) -> Mounted:
        name = request.source.get("name", "")
        obj = request.around.objects.get(("configmap", name))
        if obj is None and not request.source.get("optional"):
            raise VolumeFailure(f'configmap "{name}" not found')
        what = f"configmap {request.pod['metadata'].get('namespace', 'default')}/{name}"
        wanted = files(data_of(obj) if obj else {}, request.source, mode=default_mode(request.source), what=what)
        await asyncio.to_thread(_write, request, wanted)
        return Mounted(request.folder)


def _write(request: Request, wanted: dict[str, atomic_writer.File]) -> None:
    request.folder.mkdir(parents=True, exist_ok=True)
    atomic_writer.write(request.folder, wanted, group=request.fs_group)


VOLUME = ConfigMap()
