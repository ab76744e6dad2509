"""secret: the keys of a Secret as files, replaced in one step when it changes."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes import atomic_writer
from kubelet.volumes.interface import Mounted, Request
from kubelet.volumes.items import files_of
from kubelet.volumes.mounting import ensure_tmpfs

Obj = dict[str, Any]


class Secret:
    field = "secret"
    live = True

    def references(self, source: Obj) -> set[Reference]:
        return {("secret", source.get("secretName", ""))}

    async def set_up(self, request: Request) -> Mounted:
        wanted = files_of("secret", request.source.get("secretName", ""), request)
        await asyncio.to_thread(_write, request, wanted)
        return Mounted(request.folder)


def _write(request: Request, wanted: dict[str, atomic_writer.File]) -> None:
    ensure_tmpfs(request.folder, mode=0o755)
    atomic_writer.write(request.folder, wanted, group=request.fs_group)


VOLUME = Secret()
