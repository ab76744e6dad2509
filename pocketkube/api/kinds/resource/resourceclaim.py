"""ResourceClaim: a wish for devices."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceClaim",
    plural="resourceclaims",
    namespaced=True,
    schema=Schema.of("io.k8s.api.resource.v1.ResourceClaim"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
