"""NetworkPolicy: which traffic pods let through."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="NetworkPolicy",
    plural="networkpolicies",
    namespaced=True,
    schema=Schema.of("io.k8s.api.networking.v1.NetworkPolicy"),
    short_names=("netpol",),
    priority=10,
)
