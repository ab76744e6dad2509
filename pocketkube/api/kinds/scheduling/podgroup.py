"""PodGroup: pods that are scheduled together."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    workload.spec_of(obj)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    if not spec.get("schedulingPolicy"):
        wrong.append(field.required("spec.schedulingPolicy"))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) + checks.immutable("spec", obj["spec"], old["spec"])


KIND = Kind(
    group="scheduling.k8s.io",
    version="v1beta1",
    kind="PodGroup",
    plural="podgroups",
    namespaced=True,
    schema=Schema.of("io.k8s.api.scheduling.v1beta1.PodGroup"),
    subresources=(STATUS,),
    priority=4,
    default=_default,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=_validate_update,
)
