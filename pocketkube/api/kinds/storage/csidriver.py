"""CSIDriver: what a storage driver can do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.boolean("AttachRequired", "Whether volumes are attached before they are mounted."),
    columns.boolean("PodInfoOnMount", "Whether the driver is told of the pod."),
    columns.boolean("StorageCapacity", "Whether it says how much room is left."),
    columns.text("TokenRequests", "For whom it gets tokens."),
    columns.boolean("RequiresRepublish", "Whether it is called again and again."),
    columns.text("Modes", "What sorts of volumes it has."),
    columns.AGE,
)
_FS_GROUP = ["File", "None", "ReadWriteOnceWithFSType"]
_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for name, value in _DEFAULTS.items():
        if spec.get(name) is None:
            spec[name] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _validate(obj: Obj) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    wrong: Errors = []
    if len(name) > 63:
        wrong.append(field.too_long("metadata.name", 63))
    for mode in spec["volumeLifecycleModes"]:
        if mode not in ("Persistent", "Ephemeral"):
            wrong.append(field.not_supported("spec.volumeLifecycleModes", mode, ["Ephemeral", "Persistent"]))
    if spec["fsGroupPolicy"] not in _FS_GROUP:
        wrong.append(field.not_supported("spec.fsGroupPolicy", spec["fsGroupPolicy"], _FS_GROUP))
    audiences = [request.get("audience", "") for request in spec.get("tokenRequests") or ()]
    return wrong + checks.unique("spec.tokenRequests", audiences, "audience")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = obj["spec"], old["spec"]
    wrong = _validate(obj)
    for name in ("attachRequired", "volumeLifecycleModes"):
        wrong += checks.immutable(f"spec.{name}", new.get(name), before.get(name))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    tokens = ",".join(request.get("audience", "") for request in spec.get("tokenRequests") or ())
    return [
        obj["metadata"]["name"],
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        tokens or "<unset>",
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or columns.NONE,
        columns.age(obj, now),
    ]


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIDriver",
    plural="csidrivers",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.CSIDriver"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
)
