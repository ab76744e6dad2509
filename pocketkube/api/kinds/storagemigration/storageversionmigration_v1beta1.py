"""StorageVersionMigration in v1beta1: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.storagemigration import storageversionmigration
from pocketkube.api.schema import Schema

KIND = replace(
    storageversionmigration.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.storagemigration.v1beta1.StorageVersionMigration"),
    storage_version="v1",
    priority=4,
)
