"""PersistentVolumeClaim: a wish for storage."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.PersistentVolumeClaim"),
    short_names=("pvc",),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
