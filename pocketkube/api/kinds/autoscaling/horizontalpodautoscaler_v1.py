"""HorizontalPodAutoscaler in v1: a view of what is kept in v2."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.autoscaling import horizontalpodautoscaler
from pocketkube.api.schema import Schema

KIND = replace(
    horizontalpodautoscaler.KIND,
    version="v1",
    schema=Schema.of("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler"),
    storage_version="v2",
    priority=10,
)
