"""The files of a downwardAPI volume or projection. Pure."""

from __future__ import annotations

from typing import Any

from kubelet.pods.environment import Surroundings
from kubelet.pods.fields import FieldUnknown, field_value, resource_value
from kubelet.volumes import atomic_writer
from kubelet.volumes.interface import VolumeFailure
from kubelet.volumes.items import safe

Obj = dict[str, Any]


def downward_files(pod: Obj, source: Obj, around: Surroundings, *, mode: int) -> dict[str, atomic_writer.File]:
    """The files that `items` describe. Raises VolumeFailure."""
    found = {}
    for item in source.get("items") or ():
        try:
            if reference := item.get("fieldRef"):
                text = field_value(pod, reference["fieldPath"], ips=around.ips, host_ips=around.host_ips)
            else:
                text = resource_value(pod, item["resourceFieldRef"], own="", allocatable=around.allocatable)
        except FieldUnknown as e:
            raise VolumeFailure(str(e)) from e
        own = int(item["mode"]) if item.get("mode") is not None else mode
        found[safe(item["path"])] = atomic_writer.File(text.encode(), own)
    return found
