"""ResourceSlice: devices that a driver offers on a node."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceSlice",
    plural="resourceslices",
    namespaced=False,
    schema=Schema.of("io.k8s.api.resource.v1.ResourceSlice"),
    priority=10,
)
