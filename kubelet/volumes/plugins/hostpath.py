"""hostPath: a path of the host, checked or made as its type says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes.hostpath_check import prepare
from kubelet.volumes.interface import Mounted, Request

Obj = dict[str, Any]


class HostPath:
    field = "hostPath"
    live = False

    def references(self, source: Obj) -> set[Reference]:
        return set()

    async def set_up(self, request: Request) -> Mounted:
        return Mounted(prepare(Path(request.source["path"]), request.source.get("type") or ""))


VOLUME = HostPath()
