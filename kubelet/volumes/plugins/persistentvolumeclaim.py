"""persistentVolumeClaim: the volume bound to a claim, where it is a path of this host (hostPath or local)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from kubelet.pods.environment import Reference
from kubelet.volumes.hostpath_check import prepare
from kubelet.volumes.interface import Mounted, Request, VolumeFailure
from kubelet.volumes.ownership import give_to_group

Obj = dict[str, Any]


class PersistentVolumeClaim:
    field = "persistentVolumeClaim"
    live = False

    def references(self, source: Obj) -> set[Reference]:
        return set()

    async def set_up(self, request: Request) -> Mounted:
        namespace, name = request.pod["metadata"].get("namespace", "default"), request.source["claimName"]
        claim = await request.lookup("persistentvolumeclaim", namespace, name)
        if claim is None:
            raise VolumeFailure(f'persistentvolumeclaim "{name}" not found')
        volume_name = claim["spec"].get("volumeName")
        if not volume_name or (claim.get("status") or {}).get("phase") != "Bound":
            raise VolumeFailure(f"PVC is not bound: {namespace}/{name}")
        volume = await request.lookup("persistentvolume", "", volume_name)
        if volume is None:
            raise VolumeFailure(f'persistentvolume "{volume_name}" not found')
        return await asyncio.to_thread(_path, request, volume)


def _path(request: Request, volume: Obj) -> Mounted:
    body = volume["spec"]
    annotations = volume["metadata"].get("annotations") or {}
    group = annotations.get("pv.beta.kubernetes.io/gid")
    groups = (int(group),) if group else ()
    if source := body.get("hostPath"):
        return Mounted(prepare(Path(source["path"]), source.get("type") or ""), groups)
    if source := body.get("local"):
        path = Path(source["path"])
        if not path.exists():
            raise VolumeFailure(f"local volume path {path} does not exist")
        if request.fs_group is not None:
            policy = (request.pod["spec"].get("securityContext") or {}).get("fsGroupChangePolicy") or "Always"
            give_to_group(path, request.fs_group, policy=policy)
        return Mounted(path, groups)
    kinds = [key for key in body if isinstance(body[key], dict) and key not in ("capacity", "claimRef", "nodeAffinity")]
    raise VolumeFailure(f"persistent volume {volume['metadata']['name']} is of a type this node cannot mount: {kinds}")


VOLUME = PersistentVolumeClaim()
