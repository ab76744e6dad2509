"""ResourceClaim in v1beta1: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.resource import resourceclaim
from pocketkube.api.schema import Schema

KIND = replace(
    resourceclaim.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.resource.v1beta1.ResourceClaim"),
    storage_version="v1",
    priority=4,
)
