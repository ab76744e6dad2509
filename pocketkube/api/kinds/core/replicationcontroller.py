"""ReplicationController: keeps a number of pods, the ancestor of ReplicaSet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.kinds.podspec import validation
from pocketkube.api.meta import field, selectors
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, replicas=1)
    if labels := ((spec.get("template") or {}).get("metadata") or {}).get("labels"):
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    if spec.get("template") is not None:
        workload.template(spec)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = checks.not_negative_fields("spec", spec, "minReadySeconds")
    selector = spec.get("selector") or {}
    if not selector:
        wrong.append(field.required("spec.selector"))
    wrong += checks.not_negative_fields("spec", spec, "replicas")
    if spec.get("template") is None:
        return [*wrong, field.required("spec.template")]
    found = selectors.from_match_labels(selector) if selector else selectors.Selector()
    return wrong + validation.replicated_template(
        spec["template"], "spec.template", found, what="ReplicationController"
    )


def _row(obj: Obj, now: datetime) -> list[Any]:
    return workload.replica_row(obj, now, selector=columns.labels(obj["spec"].get("selector")))


KIND = Kind(
    group="",
    version="v1",
    kind="ReplicationController",
    plural="replicationcontrollers",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ReplicationController"),
    short_names=("rc",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    storage_prefix="controllers",
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
    columns=workload.REPLICA_COLUMNS,
    row=_row,
    orphans=True,
    selectable={"status.replicas": workload.status_replicas},
    default=_default,
    prepare_create=workload.begins({"replicas": 0}),
    warnings=workload.warnings,
    update_warnings=workload.update_warnings,
    validate=_validate,
    validate_update=checks.on_update(_validate),
    validate_status=workload.validate_replica_status,
)
