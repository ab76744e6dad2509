"""CSINode: the storage drivers on a node."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.number("Drivers", "How many drivers the node has."), columns.AGE)

_LONGEST_NODE_ID = 192


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("drivers") is None:
        spec["drivers"] = []


def _validate(obj: Obj) -> Errors:
    drivers = obj["spec"].get("drivers") or []
    wrong = checks.unique("spec.drivers", [driver.get("name", "") for driver in drivers], "name")
    for at, driver in enumerate(drivers):
        path, node = f"spec.drivers[{at}]", driver.get("nodeID") or ""
        wrong += checks.driver_name(f"{path}.name", driver.get("name") or "")
        if not node:
            wrong.append(field.required(f"{path}.nodeID"))
        elif len(node) > _LONGEST_NODE_ID:
            wrong.append(field.invalid(f"{path}.nodeID", node, f"must be {_LONGEST_NODE_ID} bytes or less"))
        wrong += _keys(driver.get("topologyKeys") or [], path)
        count = (driver.get("allocatable") or {}).get("count")
        wrong += checks.not_negative(f"spec.drivers[{at}].allocatable.count", count)
    return wrong


def _keys(keys: list[str], path: str) -> Errors:
    wrong: Errors = []
    for at, key in enumerate(keys):
        wrong += [] if key else [field.required(path)]
        wrong += [field.duplicate(path, key)] if key in keys[:at] else []
        wrong += [field.invalid(path, keys, why) for why in checks.qualified(key)]
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], len((obj.get("spec") or {}).get("drivers") or ()), columns.age(obj, now)]


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="CSINode",
    plural="csinodes",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.CSINode"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
