"""ResourceClaim: a wish for devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, devices, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("State", "Whether devices are set aside for it."), columns.AGE)


def _default(obj: Obj) -> None:
    devices.default_requests(workload.spec_of(obj).get("devices"))


def _validate(obj: Obj) -> Errors:
    return devices.validate_claim(convert(obj, "v1")["spec"], "spec")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec", obj["spec"], old["spec"])


def convert(obj: Obj, version: str) -> Obj:
    """From any version of the group into `version`."""
    source, target = obj.get("apiVersion", ""), f"resource.k8s.io/{version}"
    new = {**obj, "apiVersion": target}
    if "spec" in obj:
        new["spec"] = devices.convert_claim(obj["spec"], source, target)
    return new


def _state(obj: Obj) -> str:
    status = obj.get("status") or {}
    states = []
    if obj["metadata"].get("deletionTimestamp"):
        states.append("deleted")
    if status.get("allocation") is None:
        states.append("pending")
    else:
        states.append("allocated")
        if status.get("reservedFor"):
            states.append("reserved")
    return ",".join(states)


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], _state(obj), columns.age(obj, now)]


KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceClaim",
    plural="resourceclaims",
    namespaced=True,
    schema=Schema.of("io.k8s.api.resource.v1.ResourceClaim"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    resets={"status": ("spec", "metadata")},
    validate=_validate,
    validate_update=_validate_update,
    convert=convert,
)
