"""RuntimeClass: which container runtime runs a pod."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="node.k8s.io",
    version="v1",
    kind="RuntimeClass",
    plural="runtimeclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.node.v1.RuntimeClass"),
    priority=10,
    has_generation=False,
)
