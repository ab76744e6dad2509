"""ResourceClaim: a wish for devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, devices, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_MOST_USERS = 256
_COLUMNS = (columns.NAME, columns.text("State", "Whether devices are set aside for it."), columns.AGE)


def _default(obj: Obj) -> None:
    devices.default_requests(workload.spec_of(obj).get("devices"))


def _validate(obj: Obj) -> Errors:
    return devices.validate_claim(convert(obj, "v1")["spec"], "spec")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec", obj["spec"], old["spec"])


def _validate_status(obj: Obj, old: Obj) -> Errors:
    """Devices are set aside once, and only what is set aside is reserved."""
    status, before = obj.get("status") or {}, old.get("status") or {}
    users, path = status.get("reservedFor") or [], "status.reservedFor"
    wrong: Errors = []
    if len(users) > _MOST_USERS:
        wrong.append(field.too_many(path, len(users), _MOST_USERS))
    for at, user in enumerate(users):
        wrong += [field.required(f"{path}[{at}].{name}") for name in ("resource", "name", "uid") if not user.get(name)]
    wrong += checks.unique(path, [user.get("uid", "") for user in users], "uid")
    given, had = status.get("allocation"), before.get("allocation")
    if users and given is None:
        wrong.append(field.forbidden(path, "may not be specified when `allocated` is not set"))
    elif obj["metadata"].get("deletionTimestamp") and any(u not in (before.get("reservedFor") or ()) for u in users):
        why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        wrong.append(field.forbidden(path, why))
    if given is not None and had is not None:
        wrong += checks.immutable("status.allocation", given, had)
    return wrong


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
    validate_status=_validate_status,
    convert=convert,
)
