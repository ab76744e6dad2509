"""HorizontalPodAutoscaler: sets replicas by metrics."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="autoscaling",
    version="v2",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    namespaced=True,
    schema=Schema.of("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"),
    short_names=("hpa",),
    categories=("all",),
    subresources=(STATUS,),
    priority=20,
    has_generation=False,
)
