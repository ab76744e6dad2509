"""DeviceTaintRule: taints for devices."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, times
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_EFFECTS = ["NoExecute", "NoSchedule", "None"]


def _default(obj: Obj) -> None:
    taint = workload.spec_of(obj).get("taint")
    if taint is not None and not taint.get("timeAdded"):
        taint["timeAdded"] = times.now_rfc3339()


def _validate(obj: Obj) -> Errors:
    taint = obj["spec"].get("taint") or {}
    key, value, effect = (taint.get(name, "") for name in ("key", "value", "effect"))
    wrong: Errors = [] if key else [field.required("spec.taint.key")]
    wrong += [field.invalid("spec.taint.key", key, why) for why in checks.qualified(key) if key]
    wrong += [field.invalid("spec.taint.value", value, why) for why in checks.label_value(value)]
    return wrong + checks.one_of("spec.taint.effect", effect, _EFFECTS)


KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="DeviceTaintRule",
    plural="devicetaintrules",
    namespaced=False,
    schema=Schema.of("io.k8s.api.resource.v1.DeviceTaintRule"),
    subresources=(STATUS,),
    priority=10,
    default=_default,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
