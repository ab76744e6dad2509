"""HorizontalPodAutoscaler: sets replicas by metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.autoscaling._versions import to_v2
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Reference", "What is scaled."),
    columns.text("Targets", "Measured and wanted values."),
    columns.text("MinPods", "The fewest pods."),
    columns.text("MaxPods", "The most pods."),
    columns.text("Replicas", "How many pods there are."),
    columns.AGE,
)
_UP = [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]
_DOWN = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
_SOURCES = {
    "Object": "object", "Pods": "pods", "Resource": "resource", "External": "external", "ContainerResource": "containerResource",
}  # fmt: skip
_SHOWN = 2


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if (behavior := spec.get("behavior")) is not None:
        behavior["scaleUp"] = _rules(behavior.get("scaleUp"), _UP, stabilization=0)
        behavior["scaleDown"] = _rules(behavior.get("scaleDown"), _DOWN, stabilization=None)
    status = obj.setdefault("status", {})
    workload.fill(status, desiredReplicas=0)
    status.setdefault("currentMetrics", None)


def _rules(given: Obj | None, policies: list[Obj], *, stabilization: int | None) -> Obj:
    rules = dict(given or {})
    if not rules.get("policies"):
        rules["policies"] = [dict(policy) for policy in policies]
    workload.fill(rules, selectPolicy="Max")
    if stabilization is not None:
        workload.fill(rules, stabilizationWindowSeconds=stabilization)
    return rules


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        wrong.append(field.invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        wrong.append(field.invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        wrong.append(field.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    wrong += checks.reference("spec.scaleTargetRef", spec.get("scaleTargetRef") or {})
    for at, metric in enumerate(spec.get("metrics") or ()):
        wrong += _metric(metric, f"spec.metrics[{at}]")
    for name, rules in (spec.get("behavior") or {}).items():
        wrong += _behavior(rules or {}, f"spec.behavior.{name}")
    return wrong


def _metric(metric: Obj, path: str) -> Errors:
    kind = metric.get("type")
    if not kind:
        return [field.required(f"{path}.type", "must specify a metric source type")]
    if kind not in _SOURCES:
        return [field.not_supported(f"{path}.type", kind, sorted(_SOURCES))]
    source = metric.get(_SOURCES[kind])
    if source is None:
        why = "must populate the given metric source"
        return [field.required(f"{path}.{_SOURCES[kind]}", why)]
    given = [name for name in _SOURCES.values() if metric.get(name) is not None]
    wrong = [
        field.forbidden(f"{path}.{name}", "must populate the given metric source only")
        for name in given
        if name != _SOURCES[kind]
    ]
    path = f"{path}.{_SOURCES[kind]}"
    wrong += _identity(kind, source, path)
    target = source.get("target") or {}
    return wrong + _target(target, f"{path}.target") + _measured(kind, target, f"{path}.target")


def _identity(kind: str, source: Obj, path: str) -> Errors:
    """What is measured."""
    wrong: Errors = []
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            wrong.append(field.required(f"{path}.name", "must specify a resource name"))
        if kind == "ContainerResource":
            name = source.get("container") or ""
            wrong += (
                [field.invalid(f"{path}.container", name, why) for why in checks.dns_label(name)]
                if name
                else [field.required(f"{path}.container", "must specify a container")]
            )
        return wrong
    if kind == "Object":
        wrong += checks.reference(f"{path}.describedObject", source.get("describedObject") or {})
    metric = source.get("metric") or {}
    if name := metric.get("name"):
        wrong += checks.named(f"{path}.metric.name", name, names.is_path_segment)
    else:
        wrong.append(field.required(f"{path}.metric.name", "must specify a metric name"))
    return wrong + checks.selector(f"{path}.metric.selector", metric.get("selector"))


_NEEDED = {  # source: of which values one must be given, the one that the complaint names, and its words
    "Object": (("value", "averageValue"), "averageValue", "must set either a target value or averageValue"),
    "External": (("value", "averageValue"), "averageValue", "must set either a target value for metric or a per-pod target"),
    "Pods": (("averageValue",), "averageValue", "must specify a positive target averageValue"),
    "Resource": (
        ("averageUtilization", "averageValue"), "averageUtilization", "must set either a target raw value or a target utilization"
    ),
}  # fmt: skip
_NEEDED["ContainerResource"] = _NEEDED["Resource"]


def _measured(kind: str, target: Obj, path: str) -> Errors:
    """Which value a source needs, and which two exclude each other."""
    some, shown, words = _NEEDED[kind]
    given = [name for name in some if target.get(name) is not None]
    if not given:
        return [field.required(f"{path}.{shown}", words)]
    if len(given) < 2 or kind == "Object":
        return []
    if kind == "External":
        why = "may not set both a target value for metric and a per-pod target"
        return [field.forbidden(f"{path}.value", why)]
    return [field.forbidden(f"{path}.averageValue", "may not set both a target raw value and a target utilization")]


def _target(target: Obj, path: str) -> Errors:
    kind = target.get("type")
    if not kind:
        return [field.required(f"{path}.type", "must specify a metric target type")]
    wrong: Errors = []
    if kind not in ("Utilization", "Value", "AverageValue"):
        why = "must be either Utilization, Value, or AverageValue"
        wrong.append(field.invalid(f"{path}.type", kind, why))
    for name in ("value", "averageValue"):
        if target.get(name) is not None and checks.positive_quantity("", target[name]):
            wrong.append(field.invalid(f"{path}.{name}", target[name], "must be positive"))
    if (percent := target.get("averageUtilization")) is not None and percent < 1:
        wrong.append(field.invalid(f"{path}.averageUtilization", percent, "must be greater than 0"))
    return wrong


def _behavior(rules: Obj, path: str) -> Errors:
    wrong: Errors = []
    seconds = rules.get("stabilizationWindowSeconds")
    if seconds is not None and not 0 <= seconds <= 3600:
        why = "must be greater than or equal to zero" if seconds < 0 else "must be less than or equal to 3600"
        wrong.append(field.invalid(f"{path}.stabilizationWindowSeconds", seconds, why))
    if (policy := rules.get("selectPolicy")) not in ("Max", "Min", "Disabled"):
        wrong.append(field.not_supported(f"{path}.selectPolicy", policy, ["Disabled", "Max", "Min"]))
    for at, each in enumerate(rules.get("policies") or ()):
        where = f"{path}.policies[{at}]"
        if each.get("type") not in ("Pods", "Percent"):
            wrong.append(field.not_supported(f"{where}.type", each.get("type"), ["Percent", "Pods"]))
        for name in ("value", "periodSeconds"):
            if (each.get(name) or 0) <= 0:
                wrong.append(field.invalid(f"{where}.{name}", each.get(name), checks.POSITIVE))
        if (each.get("periodSeconds") or 0) > 1800:
            why = "must be less than or equal to 1800"
            wrong.append(field.invalid(f"{where}.periodSeconds", each["periodSeconds"], why))
    return wrong


def _current(spec: Obj, status: list[Obj]) -> Obj:
    """The measured value that belongs to a metric of the spec: the one of the same source and name."""
    key = _SOURCES.get(spec.get("type", ""), "")
    source = spec.get(key) or {}
    for found in status:
        measured = found.get(key)
        if measured is not None and all(
            measured.get(name) == source.get(name) for name in ("name", "container", "metric", "describedObject")
        ):
            return dict(measured.get("current") or {})
    return {}


def _shown(metric: Obj, status: list[Obj]) -> str:
    """`cpu: 12%/80%`, `20/100`, `5/10 (avg)`."""
    kind = metric.get("type", "")
    source = metric.get(_SOURCES.get(kind, "")) or {}
    target, current = source.get("target") or {}, _current(metric, status)
    head = f"{source.get('name', '')}: " if kind in ("Resource", "ContainerResource") else ""
    if target.get("averageUtilization") is not None:
        measured = current.get("averageUtilization")
        return f"{head}{columns.UNKNOWN if measured is None else f'{measured}%'}/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        tail = " (avg)" if kind in ("Object", "External") else ""
        return f"{head}{current.get('averageValue') or columns.UNKNOWN}/{target['averageValue']}{tail}"
    return f"{head}{current.get('value') or columns.UNKNOWN}/{target.get('value', '')}"


def targets(obj: Obj) -> str:
    found = [_shown(m, (obj.get("status") or {}).get("currentMetrics") or []) for m in obj["spec"].get("metrics") or ()]
    if len(found) > _SHOWN:
        return f"{', '.join(found[:_SHOWN])} + {len(found) - _SHOWN} more..."
    return ", ".join(found) or columns.NONE


def row(obj: Obj, now: datetime) -> list[Any]:
    spec, reference = obj["spec"], obj["spec"].get("scaleTargetRef") or {}
    least = spec.get("minReplicas")
    return [
        obj["metadata"]["name"],
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        targets(obj),
        "<unset>" if least is None else str(least),
        spec.get("maxReplicas", 0),
        (obj.get("status") or {}).get("currentReplicas", 0),
        columns.age(obj, now),
    ]


def _validate_status(obj: Obj, old: Obj) -> Errors:
    return checks.not_negative_fields("status", obj.get("status") or {}, "currentReplicas", "desiredReplicas")


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
    columns=_COLUMNS,
    row=row,
    default=_default,
    prepare_create=workload.begins({"desiredReplicas": 0, "currentMetrics": None}),
    validate=_validate,
    validate_update=checks.on_update(_validate),
    validate_status=_validate_status,
    convert=to_v2,
)
