"""PodTemplate: a pod's form kept on its own."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="PodTemplate",
    plural="podtemplates",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.PodTemplate"),
    priority=10,
)
