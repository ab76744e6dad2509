"""HorizontalPodAutoscaler in v1: a view of what is kept in v2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pocketkube.api.kinds import checks, workload
from pocketkube.api.kinds.autoscaling import horizontalpodautoscaler as stored
from pocketkube.api.kinds.autoscaling._versions import METRICS, to_v1, to_v2
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, minReplicas=1)
    has_metrics = METRICS in (obj["metadata"].get("annotations") or {})
    if spec.get("targetCPUUtilizationPercentage") is None and not has_metrics:
        spec["targetCPUUtilizationPercentage"] = 80
    workload.fill(obj.setdefault("status", {}), currentReplicas=0, desiredReplicas=0)


def _validate(obj: Obj) -> Errors:
    converted = to_v2(obj)
    return stored.KIND.validate(converted) if stored.KIND.validate else []


def _row(obj: Obj, now: Any) -> list[Any]:
    return stored.row(to_v2(obj), now)


KIND = replace(
    stored.KIND,
    version="v1",
    schema=Schema.of("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler"),
    storage_version="v2",
    priority=10,
    default=_default,
    prepare_create=workload.begins({"currentReplicas": 0, "desiredReplicas": 0}),
    validate=_validate,
    validate_update=checks.on_update(_validate),
    row=_row,
    convert=to_v1,
)
