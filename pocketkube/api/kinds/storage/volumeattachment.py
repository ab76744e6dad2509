"""VolumeAttachment: a volume that is, or shall be, attached to a node."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttachment",
    plural="volumeattachments",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.VolumeAttachment"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
