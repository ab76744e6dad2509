"""PriorityClass: how important pods are."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="scheduling.k8s.io",
    version="v1",
    kind="PriorityClass",
    plural="priorityclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.scheduling.v1.PriorityClass"),
    short_names=("pc",),
    priority=10,
)
