"""CSIStorageCapacity: room left in a part of the storage."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIStorageCapacity",
    plural="csistoragecapacities",
    namespaced=True,
    schema=Schema.of("io.k8s.api.storage.v1.CSIStorageCapacity"),
    priority=10,
    has_generation=False,
)
