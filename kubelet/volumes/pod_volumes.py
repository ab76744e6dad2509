"""The volumes of one pod: set up side by side, set up again when what they show changes, torn down at its end."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from kubelet.pods.environment import ConfigError, Reference, Surroundings
from kubelet.pods.expansion import expand
from kubelet.pods.paths import PodPaths
from kubelet.volumes.interface import Mounted, Request, Volume, VolumeFailure
from kubelet.volumes.mounting import MS_BIND, MS_REC, mount, mounts_below, unmount
from pocketkube.base.plugins import scan

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Lookup = Callable[[str, str, str], Awaitable[Obj | None]]


@cache
def types() -> Mapping[str, Volume]:
    """Volume types by the field of a pod's volume that chooses them."""
    return {volume.field: volume for volume in scan("kubelet.volumes.plugins", "VOLUME").values()}


def split(volume: Obj) -> tuple[Volume, Obj]:
    """The type and the body of one entry of `spec.volumes`. Raises VolumeFailure for a type that has no plugin."""
    for field, found in types().items():
        if volume.get(field) is not None:
            return found, volume[field]
    kinds = [key for key in volume if key != "name"]
    if not kinds:
        return types()["emptyDir"], {}
    raise VolumeFailure(f"no volume plugin matched: volume {volume['name']} is of type {kinds[0]}")


def references(pod: Obj) -> set[Reference]:
    found: set[Reference] = set()
    for entry in pod["spec"].get("volumes") or ():
        with suppress(VolumeFailure):  # told of when it is to be set up
            volume, source = split(entry)
            found |= volume.references(source)
    return found


class PodVolumes:
    """`mounted` maps a volume's name to where it is, once set up."""

    def __init__(self, paths: PodPaths, *, token: Callable[[Obj, Obj], Awaitable[str]], lookup: Lookup) -> None:
        self._paths = paths
        self._token = token
        self._lookup = lookup
        self.mounted: dict[str, Mounted] = {}

    @property
    def groups(self) -> tuple[int, ...]:
        return tuple({group for found in self.mounted.values() for group in found.groups})

    async def set_up(self, pod: Obj, around: Surroundings) -> None:
        """All of them. Raises VolumeFailure with the first problem."""
        entries = pod["spec"].get("volumes") or ()
        await asyncio.gather(*(self._one(pod, entry, around) for entry in entries))

    async def refresh(self, pod: Obj, around: Surroundings) -> None:
        """Those that follow a change, after one, and those not found yet. A source that has gone leaves the old content."""
        for entry in pod["spec"].get("volumes") or ():
            volume, _ = split(entry)
            if volume.live or entry["name"] not in self.mounted:
                await self._one(pod, entry, around)

    async def _one(self, pod: Obj, entry: Obj, around: Surroundings) -> None:
        name = entry["name"]
        volume, source = split(entry)
        request = Request(
            pod=pod, name=name, source=source, folder=self._paths.volume(_folder(volume.field), name), around=around,
            token=lambda body: self._token(pod, body), lookup=self._lookup,
        )  # fmt: skip
        try:
            self.mounted[name] = await volume.set_up(request)
        except VolumeFailure as e:
            raise VolumeFailure(f'MountVolume.SetUp failed for volume "{name}" : {e}') from e
        except OSError as e:
            raise VolumeFailure(f'MountVolume.SetUp failed for volume "{name}" : {e.strerror}: {e.filename}') from e

    def path(self, container: Obj, wanted: Obj, index: int, env: Mapping[str, str]) -> str:
        """The host path of a volume mount, its subPath resolved. Raises ConfigError."""
        found = self.mounted.get(wanted["name"])
        if found is None:
            raise ConfigError(f"cannot find volume {wanted['name']!r} to mount into container {container['name']!r}")
        subpath = wanted.get("subPath") or ""
        if wanted.get("subPathExpr"):
            subpath = expand(wanted["subPathExpr"], env)
            if "$(" in subpath:
                raise ConfigError(f"subPathExpr {wanted['subPathExpr']!r} names a variable that is not set")
        if not subpath:
            return str(found.path)
        target = self._paths.subpath(wanted["name"], container["name"], index)
        return str(bind_subpath(found.path, subpath, target))

    def tear_down(self) -> None:
        """Unmount what is below the pod's folder and remove the folder. Blocking."""
        for point in mounts_below(self._paths.pod):
            unmount(point)
        if mounts_below(self._paths.pod):
            raise OSError(f"{self._paths.pod} still holds mounts")
        shutil.rmtree(self._paths.pod, ignore_errors=True)


def _folder(field: str) -> str:
    """`emptyDir` is `empty-dir` on disk, as upstream."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in field).replace("-a-p-i", "-api")


def bind_subpath(volume: Path, subpath: str, target: Path) -> Path:
    """Bind what `subpath` means inside `volume` to `target`, so that no later symlink can lead a container out of it.

    A missing one is made as a folder. Raises ConfigError for one that leaves the volume.
    """
    if subpath.startswith("/") or ".." in Path(subpath).parts:
        raise ConfigError(f"subPath {subpath!r} must be a relative path inside the volume")
    root = os.path.realpath(volume)
    resolved = os.path.realpath(os.path.join(root, subpath))
    if resolved != root and not resolved.startswith(root + os.sep):
        raise ConfigError(f"subPath {subpath!r} is not inside the volume")
    if not os.path.exists(resolved):
        os.makedirs(resolved, mode=0o750 if os.geteuid() else 0o755, exist_ok=True)
    descriptor = os.open(resolved, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not os.readlink(f"/proc/self/fd/{descriptor}").startswith(root):
            raise ConfigError(f"subPath {subpath!r} is not inside the volume")
        _point(target, folder=os.path.isdir(resolved))
        mount(f"/proc/self/fd/{descriptor}", target, flags=MS_BIND | MS_REC)
    except PermissionError:
        return Path(resolved)  # a host that does not let us mount
    finally:
        os.close(descriptor)
    return target


def _point(target: Path, *, folder: bool) -> None:
    if os.path.ismount(target) or target.is_file():
        unmount(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
