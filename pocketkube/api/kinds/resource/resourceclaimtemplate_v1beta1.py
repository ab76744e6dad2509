"""ResourceClaimTemplate in v1beta1: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.resource import resourceclaimtemplate
from pocketkube.api.schema import Schema

KIND = replace(
    resourceclaimtemplate.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.resource.v1beta1.ResourceClaimTemplate"),
    storage_version="v1",
    priority=4,
)
