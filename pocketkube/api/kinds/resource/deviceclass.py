"""DeviceClass: a sort of device, chosen by CEL."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, devices
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    if obj.get("spec") is None:
        obj["spec"] = {}


def _validate(obj: Obj) -> Errors:
    return devices.selectors(obj["spec"].get("selectors") or [], "spec.selectors")


KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="DeviceClass",
    plural="deviceclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.resource.v1.DeviceClass"),
    priority=10,
    default=_default,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
