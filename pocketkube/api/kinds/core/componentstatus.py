"""ComponentStatus says whether scheduler, controller manager and etcd answer: kept nowhere, made when asked."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="ComponentStatus",
    plural="componentstatuses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.ComponentStatus"),
    short_names=("cs",),
    verbs=("get", "list"),
    priority=10,
    has_generation=False,
)
