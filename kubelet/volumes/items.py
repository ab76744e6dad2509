"""Which keys of an object become which files of a volume. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelet.volumes.atomic_writer import File
from kubelet.volumes.content import data_of
from kubelet.volumes.interface import Request, VolumeFailure

Obj = dict[str, Any]


def files(data: Mapping[str, bytes], source: Obj, *, mode: int, what: str) -> dict[str, File]:
    """All keys, or those that `items` names under the paths it gives. `what` is for the message, `configmap ns/name`."""
    items = source.get("items")
    optional = bool(source.get("optional"))
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    found = {}
    for item in items:
        key = item["key"]
        if key in data:
            found[safe(item["path"])] = File(data[key], int(item["mode"]) if item.get("mode") is not None else mode)
        elif not optional:
            raise VolumeFailure(f"{what} references non-existent config key: {key}")
    return found


def files_of(kind: str, name: str, request: Request) -> dict[str, File]:
    """Those of a ConfigMap or Secret that a volume names. Raises VolumeFailure if it is not there and must be."""
    obj = request.around.objects.get((kind, name))
    if obj is None and not request.source.get("optional"):
        raise VolumeFailure(f'{kind} "{name}" not found')
    what = f"{kind} {request.pod['metadata'].get('namespace', 'default')}/{name}"
    return files(data_of(obj) if obj else {}, request.source, mode=default_mode(request.source), what=what)


def safe(path: str) -> str:
    """The path, if it stays inside its volume."""
    if path.startswith("/") or ".." in path.split("/"):
        raise VolumeFailure(f"invalid path in volume: {path}")
    return path


def default_mode(source: Obj) -> int:
    mode = source.get("defaultMode")
    return 0o644 if mode is None else int(mode)
