"""PodDisruptionBudget: how many pods may be taken away at once."""

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
    columns.text("Min Available", "How many pods must stay."),
    columns.text("Max Unavailable", "How many pods may be away."),
    columns.number("Allowed Disruptions", "How many pods may be taken away now."),
    columns.AGE,
)
_POLICIES = ["AlwaysAllow", "IfHealthyBudget"]
_STATUS = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}


def _default(obj: Obj) -> None:
    workload.spec_of(obj)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        wrong.append(field.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if (value := spec.get(name)) is not None:
            wrong += checks.int_or_percent(f"spec.{name}", value) + checks.percent_over(f"spec.{name}", value)
    wrong += checks.selector("spec.selector", spec.get("selector"))
    if (policy := spec.get("unhealthyPodEvictionPolicy")) not in (None, *_POLICIES):
        wrong.append(field.not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return wrong


def _validate_status(obj: Obj, old: Obj) -> Errors:
    return checks.not_negative_fields("status", obj.get("status") or {}, *_STATUS)


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    bounds = [spec.get(name) for name in ("minAvailable", "maxUnavailable")]
    return [
        obj["metadata"]["name"],
        *("N/A" if bound is None else str(bound) for bound in bounds),
        (obj.get("status") or {}).get("disruptionsAllowed", 0),
        columns.age(obj, now),
    ]


KIND = Kind(
    group="policy",
    version="v1",
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.policy.v1.PodDisruptionBudget"),
    short_names=("pdb",),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(_STATUS),
    validate=_validate,
    validate_update=checks.on_update(_validate),
    validate_status=_validate_status,
)
