"""StorageVersionMigration: rewrite all objects of a resource in its storage version."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="storagemigration.k8s.io",
    version="v1",
    kind="StorageVersionMigration",
    plural="storageversionmigrations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storagemigration.v1.StorageVersionMigration"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
