"""ResourceClaimTemplate: the form of a claim that each pod gets one of."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, devices, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.fill(spec, metadata={}, spec={})
    devices.default_requests(spec["spec"].get("devices"))


def _validate(obj: Obj) -> Errors:
    return devices.validate_claim(convert(obj, "v1")["spec"]["spec"], "spec.spec")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec", obj["spec"], old["spec"])


def convert(obj: Obj, version: str) -> Obj:
    """From any version of the group into `version`."""
    source, target = obj.get("apiVersion", ""), f"resource.k8s.io/{version}"
    new = {**obj, "apiVersion": target}
    if "spec" in obj:
        new["spec"] = {**obj["spec"], "spec": devices.convert_claim(obj["spec"].get("spec") or {}, source, target)}
    return new


KIND = Kind(
    group="resource.k8s.io",
    version="v1",
    kind="ResourceClaimTemplate",
    plural="resourceclaimtemplates",
    namespaced=True,
    schema=Schema.of("io.k8s.api.resource.v1.ResourceClaimTemplate"),
    priority=10,
    has_generation=False,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
    convert=convert,
)
