"""DeviceClass: a sort of device, chosen by CEL."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="DeviceClass",
    plural="deviceclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.resource.v1.DeviceClass"),
    priority=10,
)
