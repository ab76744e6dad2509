"""APIService: a group and version that another server answers."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, names, objects, times
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Service", "Who answers: a service, or this server itself."),
    columns.text("Available", "Whether it answers, and why not."),
    columns.AGE,
)
_MAX_PRIORITY = 20000
_STATUSES = ["True", "False", "Unknown"]
LOCAL = {
    "type": "Available",
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}


def _default(obj: Obj) -> None:
    if (service := workload.spec_of(obj).get("service")) is not None:
        workload.fill(service, port=443)


def _begin(obj: Obj) -> None:
    """What this server answers itself is there at once."""
    obj["status"] = {}
    if workload.spec_of(obj).get("service") is None:
        obj["status"]["conditions"] = [{"lastTransitionTime": times.now_rfc3339(), **LOCAL}]


def _validate(obj: Obj) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    group, version = spec.get("group") or "", spec.get("version") or ""
    wrong: Errors = []
    if name != f"{version}.{group}":
        wrong.append(
            field.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{version}.{group}"')
        )
    if group:
        wrong += [field.invalid("spec.group", group, why) for why in checks.dns_subdomain(group)]
    elif version != "v1":
        why = "only v1 may have an empty group and it better be legacy kube"
        wrong.append(field.required("spec.group", why))
    wrong += [field.invalid("spec.version", version, why) for why in names.is_dns1035(version)]
    for field_name in ("groupPriorityMinimum", "versionPriority"):
        value = spec.get(field_name) or 0
        most = _MAX_PRIORITY if field_name == "groupPriorityMinimum" else 1000
        if not 0 < value <= most:
            why = f"must be positive and less than {most}"
            wrong.append(field.invalid(f"spec.{field_name}", value, why))
    return wrong + _service(spec)


def _service(spec: Obj) -> Errors:
    service = spec.get("service")
    if service is None:
        wrong = (
            [field.invalid("spec.caBundle", _size(spec["caBundle"]), "local APIServices may not have a caBundle")]
            if spec.get("caBundle")
            else []
        )
        if spec.get("insecureSkipTLSVerify"):
            wrong.append(
                field.invalid(
                    "spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify"
                )
            )
        return wrong
    wrong = [field.required(f"spec.service.{x}") for x in ("namespace", "name") if not service.get(x)]
    if not 1 <= (port := service.get("port", 443)) <= 65535:
        why = "port is not valid: must be between 1 and 65535, inclusive"
        wrong.append(field.invalid("spec.service.port", port, why))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        wrong.append(field.invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))
    return wrong


def _size(encoded: str) -> str:
    return f"{len(base64.b64decode(encoded))} bytes"


def _validate_status(obj: Obj, old: Obj) -> Errors:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return [
        field.not_supported(f"status.conditions[{at}].status", condition.get("status", ""), _STATUSES)
        for at, condition in enumerate(conditions)
        if condition.get("status") not in _STATUSES
    ]


def _available(obj: Obj) -> str:
    found = objects.condition(obj, "Available")
    if found is None:
        return "Unknown"
    status = str(found.get("status", ""))
    return status if status == "True" or not found.get("reason") else f"{status} ({found['reason']})"


def _row(obj: Obj, now: datetime) -> list[Any]:
    service = (obj.get("spec") or {}).get("service")
    shown = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    return [obj["metadata"]["name"], shown, _available(obj), columns.age(obj, now)]


KIND = Kind(
    group="apiregistration.k8s.io",
    version="v1",
    kind="APIService",
    plural="apiservices",
    namespaced=False,
    schema=Schema.of("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService"),
    categories=("api-extensions",),
    subresources=(STATUS,),
    storage_prefix="apiregistration.k8s.io/apiservices",
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=_begin,
    resets={"status": ("spec", "metadata.labels", "metadata.annotations", "metadata.ownerReferences")},
    validate=_validate,
    validate_update=checks.on_update(_validate),
    validate_status=_validate_status,
)
