"""ResourceClaimTemplate in v1beta2: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.resource import resourceclaimtemplate
from pocketkube.api.schema import Schema

KIND = replace(
    resourceclaimtemplate.KIND,
    version="v1beta2",
    schema=Schema.of("io.k8s.api.resource.v1beta2.ResourceClaimTemplate"),
    storage_version="v1",
    priority=5,
)
