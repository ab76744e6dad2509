"""DeviceClass in v1beta2: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.resource import deviceclass
from pocketkube.api.schema import Schema

KIND = replace(
    deviceclass.KIND,
    version="v1beta2",
    schema=Schema.of("io.k8s.api.resource.v1beta2.DeviceClass"),
    storage_version="v1",
    priority=5,
)
