"""ResourceClaimTemplate: the form of a claim that each pod gets one of."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceClaimTemplate",
    plural="resourceclaimtemplates",
    namespaced=True,
    schema=Schema.of("io.k8s.api.resource.v1.ResourceClaimTemplate"),
    priority=10,
    has_generation=False,
)
