"""Endpoints: the addresses behind a Service in one object, the older form of EndpointSlice."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Endpoints",
    plural="endpoints",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Endpoints"),
    short_names=("ep",),
    storage_prefix="services/endpoints",
    priority=10,
    has_generation=False,
    create_on_update=True,
)
