"""StorageClass: how claims get volumes made."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="StorageClass",
    plural="storageclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.StorageClass"),
    short_names=("sc",),
    priority=10,
    has_generation=False,
)
