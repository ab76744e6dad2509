"""Workload: how the pods of a workload are to be scheduled."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="scheduling.k8s.io",
    version="v1beta1",
    kind="Workload",
    plural="workloads",
    namespaced=True,
    schema=Schema.of("io.k8s.api.scheduling.v1beta1.Workload"),
    priority=4,
)
