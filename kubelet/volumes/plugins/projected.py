"""projected: several sources in one folder: ConfigMaps, Secrets, the downward API, service-account tokens."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes import atomic_writer
from kubelet.volumes.atomic_writer import File
from kubelet.volumes.content import data_of
from kubelet.volumes.downward_files import downward_files
from kubelet.volumes.interface import Mounted, Request, VolumeFailure
from kubelet.volumes.items import default_mode, files, safe
from kubelet.volumes.mounting import ensure_tmpfs

Obj = dict[str, Any]

KINDS = {"configMap": "configmap", "secret": "secret"}


class Projected:
    field = "projected"
    live = True

    def references(self, source: Obj) -> set[Reference]:
        parts = source.get("sources") or ()
        return {(KINDS[key], part[key].get("name", "")) for part in parts for key in KINDS if part.get(key)}

    async def set_up(self, request: Request) -> Mounted:
        mode = default_mode(request.source)
        wanted: dict[str, File] = {}
        for part in request.source.get("sources") or ():
            wanted |= await _part(request, part, mode)
        await asyncio.to_thread(_write, request, wanted)
        return Mounted(request.folder)


async def _part(request: Request, part: Obj, mode: int) -> dict[str, File]:
    for key, kind in KINDS.items():
        if source := part.get(key):
            name = source.get("name", "")
            obj = request.around.objects.get((kind, name))
            if obj is None and not source.get("optional"):
                raise VolumeFailure(f'{kind} "{name}" not found')
            what = f"{kind} {request.pod['metadata'].get('namespace', 'default')}/{name}"
            return files(data_of(obj) if obj else {}, source, mode=mode, what=what)
    if source := part.get("downwardAPI"):
        return downward_files(request.pod, source, request.around, mode=mode)
    if source := part.get("serviceAccountToken"):
        return {safe(source["path"]): await _token(request, source, mode)}
    raise VolumeFailure(f"a projected source that this kubelet does not know: {', '.join(part)}")


async def _token(request: Request, source: Obj, mode: int) -> File:
    """Readable by the one user that all containers run as, and by the fsGroup; without either, as ever, by everyone."""
    token = (await request.token(source)).encode()
    users = {_user(request.pod, c) for c in request.pod["spec"]["containers"]}
    owner = users.pop() if len(users) == 1 else None
    private = owner is not None or request.fs_group is not None
    return File(token, 0o600 if private else mode, owner=owner)


def _user(pod: Obj, container: Obj) -> int | None:
    inner, outer = container.get("securityContext") or {}, pod["spec"].get("securityContext") or {}
    user = inner.get("runAsUser", outer.get("runAsUser"))
    return None if user is None else int(user)


def _write(request: Request, wanted: dict[str, File]) -> None:
    ensure_tmpfs(request.folder, mode=0o755)
    atomic_writer.write(request.folder, wanted, group=request.fs_group)


VOLUME = Projected()
