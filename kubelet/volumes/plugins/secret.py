"""secret: the keys of a Secret as files, replaced in one step when it changes."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes import atomic_writer
from kubelet.volumes.content import data_of
from kubelet.volumes.interface import Mounted, Request, VolumeFailure
from kubelet.volumes.items import default_mode, files
from kubelet.volumes.mounting import ensure_tmpfs

Obj = dict[str, Any]


class Secret:
    field = "secret"
    live = True

    def references(self, source: Obj) -> set[Reference]:
        return {("secret", source.get("secretName", ""))}

    async def set_up(self, request: Request) -> Mounted:
        name = request.source.get("secretName", "")
        obj = request.around.objects.get(("secret", name))
        if obj is None and not request.source.get("optional"):
            raise VolumeFailure(f'secret "{name}" not found')
        what = f"secret {request.pod['metadata'].get('namespace', 'default')}/{name}"
        wanted = files(data_of(obj) if obj else {}, request.source, mode=default_mode(request.source), what=what)
        await asyncio.to_thread(_write, request, wanted)
        return Mounted(request.folder)


def _write(request: Request, wanted: dict[str, atomic_writer.File]) -> None:
    ensure_tmpfs(request.folder, mode=0o755)
    atomic_writer.write(request.folder, wanted, group=request.fs_group)


VOLUME = Secret()
