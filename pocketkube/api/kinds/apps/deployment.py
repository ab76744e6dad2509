"""Deployment: pods of one form, exchanged step by step when the form changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Ready", "How many pods are ready, of how many."),
    columns.text("Up-to-date", "How many pods have the present form."),
    columns.text("Available", "How many pods have been ready long enough."),
    columns.AGE,
    columns.CONTAINERS,
    columns.IMAGES,
    columns.SELECTOR,
)


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, replicas=1, revisionHistoryLimit=workload.REVISION_HISTORY, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        if strategy.get("rollingUpdate") is None:
            strategy["rollingUpdate"] = {}
        workload.fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    workload.template(spec)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = checks.not_negative_fields("spec", spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    wrong += workload.selected_template(spec, "spec", kind="ReplicaSet", empty="deployment")
    wrong += _strategy(spec["strategy"], "spec.strategy")
    deadline = spec["progressDeadlineSeconds"]
    wrong += checks.not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline <= spec.get("minReadySeconds", 0):
        why = "must be greater than minReadySeconds"
        wrong.append(field.invalid("spec.progressDeadlineSeconds", deadline, why))
    return wrong


def _strategy(strategy: Obj, path: str) -> Errors:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind == "Recreate":
        why = "may not be specified when strategy `type` is 'Recreate'"
        return [field.forbidden(f"{path}.rollingUpdate", why)] if rolling is not None else []
    if kind != "RollingUpdate":
        return [field.not_supported(f"{path}.type", kind, ["Recreate", "RollingUpdate"])]
    return _rolling(rolling or {}, f"{path}.rollingUpdate")


def _rolling(rolling: Obj, path: str) -> Errors:
    surge, unavailable = rolling["maxSurge"], rolling["maxUnavailable"]
    wrong = checks.int_or_percent(f"{path}.maxUnavailable", unavailable)
    wrong += checks.int_or_percent(f"{path}.maxSurge", surge)
    if surge in (0, "0%", "0") and unavailable in (0, "0%", "0"):
        wrong.append(field.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return wrong + checks.percent_over(f"{path}.maxUnavailable", unavailable)


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))


def _validate_status(obj: Obj, old: Obj) -> Errors:
    status = obj.get("status") or {}
    counts = (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
    )
    wrong = checks.not_negative_fields("status", status, *counts, "collisionCount")
    replicas, ready = status.get("replicas", 0), status.get("readyReplicas", 0)
    for name in ("updatedReplicas", "readyReplicas", "availableReplicas"):
        if status.get(name, 0) > replicas:
            wrong.append(field.invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas"))
    if status.get("availableReplicas", 0) > ready:
        why = "cannot be greater than readyReplicas"
        wrong.append(field.invalid("status.availableReplicas", status.get("availableReplicas", 0), why))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        columns.age(obj, now),
        *columns.template(obj),
        columns.selector(spec.get("selector")),
    ]


KIND = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.Deployment"),
    short_names=("deploy",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    warnings=workload.warnings,
    update_warnings=workload.update_warnings,
    validate=_validate,
    validate_update=_validate_update,
    resets={"status": ("spec", "metadata.labels")},
    validate_status=_validate_status,
)
