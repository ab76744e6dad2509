"""ReplicaSet: keeps a number of pods of one form."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, replicas=1)
    workload.template(spec)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = checks.not_negative_fields("spec", spec, "replicas", "minReadySeconds")
    return wrong + workload.selected_template(spec, "spec", kind="ReplicaSet", empty="deployment")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    return workload.replica_row(obj, now, selector=columns.selector(obj["spec"].get("selector")))


KIND = Kind(
    group="apps",
    version="v1",
    kind="ReplicaSet",
    plural="replicasets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.ReplicaSet"),
    short_names=("rs",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
    columns=workload.REPLICA_COLUMNS,
    row=_row,
    selectable={"status.replicas": workload.status_replicas},
    default=_default,
    prepare_create=workload.begins({"replicas": 0}),
    warnings=workload.warnings,
    update_warnings=workload.update_warnings,
    validate=_validate,
    validate_update=_validate_update,
    validate_status=workload.validate_replica_status,
)
