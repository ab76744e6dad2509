"""IPAddress: a service address that is taken, and by whom."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IPAddress",
    plural="ipaddresses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.networking.v1.IPAddress"),
    short_names=("ip",),
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
)
