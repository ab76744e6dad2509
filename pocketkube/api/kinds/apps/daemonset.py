"""DaemonSet: one pod on every node that fits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.number("Desired", "On how many nodes a pod should run."),
    columns.number("Current", "On how many of them a pod runs."),
    columns.number("Ready", "How many pods are ready."),
    columns.number("Up-to-date", "How many pods have the present form."),
    columns.number("Available", "How many pods have been ready long enough."),
    columns.text("Node Selector", "Which nodes are meant."),
    columns.AGE,
    columns.CONTAINERS,
    columns.IMAGES,
    columns.SELECTOR,
)
_STATUS = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, revisionHistoryLimit=workload.REVISION_HISTORY)
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        if strategy.get("rollingUpdate") is None:
            strategy["rollingUpdate"] = {}
        workload.fill(strategy["rollingUpdate"], maxUnavailable=1, maxSurge=0)
    workload.template(spec)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = workload.selected_template(spec, "spec", kind="DaemonSet", empty="daemonset")
    wrong += checks.not_negative_fields("spec", spec, "minReadySeconds", "revisionHistoryLimit")
    return wrong + _strategy(spec["updateStrategy"], "spec.updateStrategy")


def _strategy(strategy: Obj, path: str) -> Errors:
    kind = strategy["type"]
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        return [field.not_supported(f"{path}.type", kind, ["RollingUpdate", "OnDelete"])]
    path = f"{path}.rollingUpdate"
    surge, unavailable = strategy["rollingUpdate"]["maxSurge"], strategy["rollingUpdate"]["maxUnavailable"]
    wrong = checks.int_or_percent(f"{path}.maxUnavailable", unavailable)
    wrong += checks.percent_over(f"{path}.maxUnavailable", unavailable)
    wrong += checks.int_or_percent(f"{path}.maxSurge", surge) + checks.percent_over(f"{path}.maxSurge", surge)
    none = (0, "0%")
    if surge not in none and unavailable not in none:
        wrong.append(field.invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    if surge in none and unavailable in none:
        wrong.append(field.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))


def _validate_status(obj: Obj, old: Obj) -> Errors:
    counts = (
        *_STATUS,
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    )
    return checks.not_negative_fields("status", obj.get("status") or {}, *counts)


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        columns.labels(spec["template"]["spec"].get("nodeSelector")),
        columns.age(obj, now),
        *columns.template(obj),
        columns.selector(spec.get("selector")),
    ]


KIND = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.DaemonSet"),
    short_names=("ds",),
    categories=("all",),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(_STATUS),
    warnings=workload.template_warnings,
    update_warnings=workload.update_warnings,
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
