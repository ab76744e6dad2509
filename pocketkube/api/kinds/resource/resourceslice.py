"""ResourceSlice: devices that a driver offers on a node."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, devices
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Node", "The node whose devices these are."),
    columns.text("Driver", "Whose devices these are."),
    columns.text("Pool", "The pool they belong to."),
    columns.AGE,
)
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_MOST_DEVICES = 128


def _validate(obj: Obj) -> Errors:
    spec = convert(obj, "v1").get("spec") or {}
    driver, pool = spec.get("driver", ""), spec.get("pool") or {}
    wrong: Errors = [] if driver else [field.required("spec.driver")]
    wrong += [field.invalid("spec.driver", driver, why) for why in checks.dns_subdomain(driver) if driver]
    if not pool.get("name"):
        wrong.append(field.required("spec.pool.name"))
    if pool.get("resourceSliceCount", 0) <= 0:
        wrong.append(field.invalid("spec.pool.resourceSliceCount", pool.get("resourceSliceCount", 0), checks.POSITIVE))
    places = [name for name in _PLACES if spec.get(name)]
    if len(places) != 1:
        why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
        wrong.append(field.invalid("spec", f"{{{', '.join(places)}}}", why) if places else field.required("spec", why))
    found = spec.get("devices") or []
    if len(found) > _MOST_DEVICES:
        wrong.append(field.too_many("spec.devices", len(found), _MOST_DEVICES))
    return wrong + checks.unique("spec.devices", [device.get("name", "") for device in found], "name")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = (x.get("spec") or {} for x in (obj, old))
    wrong = _validate(obj)
    for name in ("driver", "nodeName"):
        wrong += checks.immutable(f"spec.{name}", new.get(name), before.get(name))
    new_pool, old_pool = (x.get("pool") or {} for x in (new, before))
    return wrong + checks.immutable("spec.pool.name", new_pool.get("name"), old_pool.get("name"))


def convert(obj: Obj, version: str) -> Obj:
    """From any version of the group into `version`."""
    source, target = obj.get("apiVersion", ""), f"resource.k8s.io/{version}"
    new = {**obj, "apiVersion": target}
    if "spec" in obj:
        new["spec"] = devices.convert_slice(obj["spec"], source, target)
    return new


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    node, pool = spec.get("nodeName") or "<unset>", (spec.get("pool") or {}).get("name", "")
    return [obj["metadata"]["name"], node, spec.get("driver", ""), pool, columns.age(obj, now)]


KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceSlice",
    plural="resourceslices",
    namespaced=False,
    schema=Schema.of("io.k8s.api.resource.v1.ResourceSlice"),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
    convert=convert,
    selectable={
        "spec.nodeName": lambda obj: str((obj.get("spec") or {}).get("nodeName") or ""),
        "spec.driver": lambda obj: str((obj.get("spec") or {}).get("driver") or ""),
    },
)
