"""DeviceTaintRule: taints for devices."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="DeviceTaintRule",
    plural="devicetaintrules",
    namespaced=False,
    schema=Schema.of("io.k8s.api.resource.v1.DeviceTaintRule"),
    subresources=(STATUS,),
    priority=10,
)
