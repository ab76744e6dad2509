"""EndpointSlice: some of the addresses behind a Service."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    namespaced=True,
    schema=Schema.of("io.k8s.api.discovery.v1.EndpointSlice"),
    priority=10,
)
