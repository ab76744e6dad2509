"""HorizontalPodAutoscaler in v1: a view of what is kept in v2. What v1 has no fields for goes into annotations, as upstream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from pocketkube.api.kinds import checks, workload
from pocketkube.api.kinds.autoscaling import horizontalpodautoscaler as stored
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


def _is_cpu(metric: Obj) -> bool:
    """The one metric that v1 has a field for: average use of requested cpu."""
    resource = metric.get("resource") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu"


def _cpu(metrics: list[Obj], part: str) -> int | None:
    for metric in metrics:
        if _is_cpu(metric):
            value: int | None = ((metric["resource"].get(part)) or {}).get("averageUtilization")
            return value
    return None


def _from_v2(obj: Obj, version: str) -> Obj:
    if obj.get("apiVersion") == "autoscaling/v1":
        return obj
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    new: Obj = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": dict(obj["metadata"])}
    new["spec"] = {name: spec[name] for name in _SPEC if name in spec}
    new["status"] = {"currentReplicas": 0, "desiredReplicas": 0}
    new["status"] |= {name: status[name] for name in _STATUS if name in status}
    if (wanted := _cpu(metrics, "target")) is not None:
        new["spec"]["targetCPUUtilizationPercentage"] = wanted
    if (measured := _cpu(current, "current")) is not None:
        new["status"]["currentCPUUtilizationPercentage"] = measured
    notes = {
        _METRICS: [m for m in metrics if not _is_cpu(m) or _cpu([m], "target") is None],
        _BEHAVIOR: spec.get("behavior"),
        _CURRENT: [m for m in current if not _is_cpu(m)],
        _CONDITIONS: status.get("conditions"),
    }
    kept = {name: orjson.dumps(value).decode() for name, value in notes.items() if value}
    if kept:
        new["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), **kept}
    return new


def to_v2(obj: Obj) -> Obj:
    """The stored form of a v1 object."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    annotations = dict(obj["metadata"].get("annotations") or {})
    notes = {name: _read(annotations.pop(name, None)) for name in (_METRICS, _BEHAVIOR, _CURRENT, _CONDITIONS)}
    meta = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    if annotations:
        meta["annotations"] = annotations
    metrics = [*_as_metric(spec.get("targetCPUUtilizationPercentage"), "target"), *(notes[_METRICS] or [])]
    current = [*_as_metric(status.get("currentCPUUtilizationPercentage"), "current"), *(notes[_CURRENT] or [])]
    new_spec: Obj = {name: spec[name] for name in _SPEC if name in spec}
    if metrics:
        new_spec["metrics"] = metrics
    if notes[_BEHAVIOR]:
        new_spec["behavior"] = notes[_BEHAVIOR]
    new_status: Obj = {name: status[name] for name in _STATUS if name in status} | {"currentMetrics": current or None}
    if notes[_CONDITIONS]:
        new_status["conditions"] = notes[_CONDITIONS]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta,
        "spec": new_spec,
        "status": new_status,
    }


def _read(text: str | None) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def _as_metric(percent: int | None, part: str) -> list[Obj]:
    if percent is None:
        return []
    value = {"averageUtilization": percent} | ({"type": "Utilization"} if part == "target" else {})
    return [{"type": "Resource", "resource": {"name": "cpu", part: value}}]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, minReplicas=1)
    has_metrics = _METRICS in (obj["metadata"].get("annotations") or {})
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
    convert=_from_v2,
)
