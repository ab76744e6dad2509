"""Ingress: HTTP routes from outside to services."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="Ingress",
    plural="ingresses",
    namespaced=True,
    schema=Schema.of("io.k8s.api.networking.v1.Ingress"),
    short_names=("ing",),
    subresources=(STATUS,),
    storage_prefix="ingress",
    priority=10,
)
