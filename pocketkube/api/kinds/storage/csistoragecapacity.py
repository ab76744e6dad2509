"""CSIStorageCapacity: room left in a part of the storage."""

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
    columns.text("StorageClassName", "The class the room is for."),
    columns.text("Capacity", "How much room there is."),
)


def _validate(obj: Obj) -> Errors:
    name = obj.get("storageClassName", "")
    wrong = [field.invalid("storageClassName", name, why) for why in checks.dns_subdomain(name)]
    for amount in ("capacity", "maximumVolumeSize"):
        if obj.get(amount) is not None:
            wrong += checks.quantity_text(amount, obj[amount])
    return wrong + checks.selector("nodeTopology", obj.get("nodeTopology"))


def _validate_update(obj: Obj, old: Obj) -> Errors:
    wrong = _validate(obj)
    for name in ("nodeTopology", "storageClassName"):
        wrong += checks.immutable(name, obj.get(name), old.get(name))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("storageClassName", ""), obj.get("capacity") or "<unset>"]


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSIStorageCapacity",
    plural="csistoragecapacities",
    namespaced=True,
    schema=Schema.of("io.k8s.api.storage.v1.CSIStorageCapacity"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
)
