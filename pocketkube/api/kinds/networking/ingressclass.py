"""IngressClass: which controller serves an Ingress."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IngressClass",
    plural="ingressclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.networking.v1.IngressClass"),
    priority=10,
)
