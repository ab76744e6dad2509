"""Secret: bytes for pods to read, shown to few."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Secret"),
    priority=10,
    has_generation=False,
    selectable={"type": lambda obj: obj.get("type") or "Opaque"},
)
