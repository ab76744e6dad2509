"""What a volume type is: one file in this package that exports VOLUME, an object of the Volume protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kubelet.pods.environment import Reference, Surroundings

Obj = dict[str, Any]


class VolumeFailure(Exception):
    """The volume cannot be set up now; a FailedMount event shows the text and it is tried again."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One volume of one pod. `folder` is its own place below the kubelet's root, which the volume makes if it needs one."""

    pod: Obj
    name: str
    source: Obj  # the body under the type's field: of `{"emptyDir": {"medium": "Memory"}}` the inner object
    folder: Path
    around: Surroundings
    token: Callable[[Obj], Awaitable[str]]  # of a serviceAccountToken projection
    lookup: Callable[[str, str, str], Awaitable[Obj | None]]  # (kind, namespace, name)

    @property
    def fs_group(self) -> int | None:
        group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        return None if group is None else int(group)


@dataclass(frozen=True, slots=True)
class Mounted:
    """Where the volume is on the host; `groups` are supplementary groups that its files ask for."""

    path: Path
    groups: tuple[int, ...] = ()


class Volume(Protocol):
    """`field` is the key in a pod's volume; `live` volumes are set up again when an object of theirs changes."""

    field: str
    live: bool

    def references(self, source: Obj) -> set[Reference]:
        """ConfigMaps and Secrets that the volume draws on."""

    async def set_up(self, request: Request) -> Mounted:
        """Safe to repeat: after a restart of the kubelet it finds what it left. Raises VolumeFailure."""


VolumeTypes = Mapping[str, Volume]
