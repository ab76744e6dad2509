"""LimitRange: least, most and default resources of the containers, pods and claims of a namespace."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="LimitRange",
    plural="limitranges",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.LimitRange"),
    short_names=("limits",),
    priority=10,
    has_generation=False,
    create_on_update=True,
)
