"""ConfigMap: configuration as text and bytes, for pods to read."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ConfigMap"),
    short_names=("cm",),
    priority=10,
    has_generation=False,
)
