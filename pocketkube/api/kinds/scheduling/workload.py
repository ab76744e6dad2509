"""Workload: how the pods of a workload are to be scheduled."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    workload.spec_of(obj)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    templates = spec.get("podGroupTemplates") or []
    if not templates:
        wrong.append(field.required("spec.podGroupTemplates", "must have at least one item"))
    if len(templates) > 8:
        wrong.append(field.too_many("spec.podGroupTemplates", len(templates), 8))
    wrong += checks.unique("spec.podGroupTemplates", [t.get("name", "") for t in templates], "name")
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("spec", obj["spec"], old["spec"])


KIND = Kind(
    group="scheduling.k8s.io",
    version="v1beta1",
    kind="Workload",
    plural="workloads",
    namespaced=True,
    schema=Schema.of("io.k8s.api.scheduling.v1beta1.Workload"),
    priority=4,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
)
