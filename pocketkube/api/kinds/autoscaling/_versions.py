"""A HorizontalPodAutoscaler from v2 to v1 and back. What v1 has no fields for goes into annotations, as upstream."""

from __future__ import annotations

from typing import Any

import orjson

Obj = dict[str, Any]

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
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


def to_v1(obj: Obj, version: str = "v1") -> Obj:
    """The view that v1 gives."""
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
        METRICS: [m for m in metrics if not _is_cpu(m) or _cpu([m], "target") is None],
        _BEHAVIOR: spec.get("behavior"),
        _CURRENT: [m for m in current if not _is_cpu(m)],
        _CONDITIONS: status.get("conditions"),
    }
    kept = {name: orjson.dumps(value).decode() for name, value in notes.items() if value}
    if kept:
        new["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), **kept}
    return new


def to_v2(obj: Obj, version: str = "v2") -> Obj:
    """The stored form."""
    if obj.get("apiVersion") == "autoscaling/v2":
        return obj
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    annotations = dict(obj["metadata"].get("annotations") or {})
    notes = {name: _read(annotations.pop(name, None)) for name in (METRICS, _BEHAVIOR, _CURRENT, _CONDITIONS)}
    meta = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    if annotations:
        meta["annotations"] = annotations
    metrics = [*_as_metric(spec.get("targetCPUUtilizationPercentage"), "target"), *(notes[METRICS] or [])]
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
