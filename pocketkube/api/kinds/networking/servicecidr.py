"""ServiceCIDR: a range that service addresses come from."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="ServiceCIDR",
    plural="servicecidrs",
    namespaced=False,
    schema=Schema.of("io.k8s.api.networking.v1.ServiceCIDR"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
