"""ResourceQuota: how much a namespace may use altogether."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.kinds.podspec import requirements
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Request", "What is used of the resources, of how much."),
    columns.text("Limit", "What is used of the limits, of how much."),
    columns.AGE,
)
_SCOPES = (
    "BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "PriorityClass", "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)  # fmt: skip
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_RESOURCES = frozenset(
    (
        "cpu", "memory", "ephemeral-storage", "storage", "pods", "services", "replicationcontrollers", "resourcequotas",
        "secrets", "configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers", "requests.cpu",
        "requests.memory", "requests.storage", "requests.ephemeral-storage", "limits.cpu", "limits.memory",
        "limits.ephemeral-storage",
    )
)  # fmt: skip
_PLAIN_SCOPES = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = _amounts(spec.get("hard") or {}, "spec.hard")
    scopes = spec.get("scopes") or []
    wrong += [field.invalid("spec.scopes", scopes, "unsupported scope") for scope in scopes if scope not in _SCOPES]
    if any(one in scopes and other in scopes for one, other in _OPPOSITES):
        wrong.append(field.invalid("spec.scopes", scopes, "conflicting scopes"))
    for expression in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        wrong += _expression(expression, "spec.scopeSelector.matchExpressions")
    return wrong


def _expression(expression: Obj, path: str) -> Errors:
    scope, operator = expression.get("scopeName", ""), expression.get("operator", "")
    values = expression.get("values") or []
    wrong: Errors = []
    if scope not in _SCOPES:
        wrong.append(field.invalid(f"{path}.scopeName", scope, "unsupported scope"))
    if scope in _PLAIN_SCOPES and operator != "Exists":
        wrong.append(field.invalid(f"{path}.operator", operator, _MUST_EXIST))
    if operator in ("In", "NotIn"):
        if not values:
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            wrong.append(field.required(f"{path}.values", why))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            wrong.append(field.invalid(f"{path}.values", values, why))
    else:
        wrong.append(field.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    return wrong


def _amounts(found: Obj, path: str) -> Errors:
    wrong: Errors = []
    for name, text in found.items():
        where = f"{path}[{name}]"
        if faults := checks.qualified(name):
            wrong += [field.invalid(where, name, why) for why in faults]
        elif "/" not in name and name not in _RESOURCES and not name.startswith(("hugepages-", "requests.hugepages-")):
            wrong.append(field.invalid(where, name, "must be a standard resource type or fully qualified"))
            wrong.append(field.invalid(where, name, "must be a standard resource for quota"))
        wrong += checks.quantity_text(where, text)
        if requirements.is_integer(name) and str(text).endswith("m"):
            wrong.append(field.invalid(where, text, "must be an integer"))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = obj["spec"].get("scopes") or [], (old.get("spec") or {}).get("scopes") or []
    wrong = _validate(obj)
    return wrong if set(new) == set(before) else [*wrong, field.invalid("spec.scopes", new, checks.IMMUTABLE)]


def _validate_status(obj: Obj, old: Obj) -> Errors:
    status = obj.get("status") or {}
    return _amounts(status.get("hard") or {}, "status.hard") + _amounts(status.get("used") or {}, "status.used")


def _default(obj: Obj) -> None:
    workload.spec_of(obj)


def _row(obj: Obj, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    cells: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(hard):
        cells[name.startswith("limits")].append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    return [obj["metadata"]["name"], ", ".join(cells[False]), ", ".join(cells[True]), columns.age(obj, now)]


KIND = Kind(
    group="",
    version="v1",
    kind="ResourceQuota",
    plural="resourcequotas",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ResourceQuota"),
    short_names=("quota",),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
