"""VolumeAttributesClass: changeable properties of volumes."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttributesClass",
    plural="volumeattributesclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.VolumeAttributesClass"),
    short_names=("vac",),
    priority=10,
    has_generation=False,
)
