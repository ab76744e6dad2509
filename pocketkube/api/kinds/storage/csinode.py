"""CSINode: the storage drivers on a node."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSINode",
    plural="csinodes",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.CSINode"),
    priority=10,
    has_generation=False,
)
