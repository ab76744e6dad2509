"""downwardAPI: fields of the pod and resources of its containers as files; labels and annotations follow changes."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes import atomic_writer
from kubelet.volumes.downward_files import downward_files
from kubelet.volumes.interface import Mounted, Request
from kubelet.volumes.items import default_mode

Obj = dict[str, Any]


class DownwardAPI:
    field = "downwardAPI"
    live = True

    def references(self, source: Obj) -> set[Reference]:
        return set()

    async def set_up(self, request: Request) -> Mounted:
        wanted = downward_files(request.pod, request.source, request.around, mode=default_mode(request.source))
        await asyncio.to_thread(_write, request, wanted)
        return Mounted(request.folder)


def _write(request: Request, wanted: dict[str, atomic_writer.File]) -> None:
    request.folder.mkdir(parents=True, exist_ok=True)
    atomic_writer.write(request.folder, wanted, group=request.fs_group)


VOLUME = DownwardAPI()
