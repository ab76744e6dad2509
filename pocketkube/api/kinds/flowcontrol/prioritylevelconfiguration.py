"""PriorityLevelConfiguration: how many requests of a level run at once, and how others wait."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.flowcontrol import _fixed
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Type", "Whether its requests are limited."),
    columns.text("NominalConcurrencyShares", "Its share of requests at once."),
    columns.text("Queues", "How many queues it has."),
    columns.text("HandSize", "How many queues a flow may wait in."),
    columns.text("QueueLengthLimit", "How many requests wait in a queue."),
    columns.AGE,
)


_MOST_QUEUES = 10_000_000


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if spec.get("type") == "Exempt":
        if spec.get("exempt") is None:
            spec["exempt"] = {}
        workload.fill(spec["exempt"], nominalConcurrencyShares=0, lendablePercent=0)
    if (limited := spec.get("limited")) is not None:
        workload.fill(limited, nominalConcurrencyShares=30, lendablePercent=0)
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        if queuing is not None:
            workload.fill(queuing, handSize=8, queues=64, queueLengthLimit=50)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    kind = spec.get("type")
    if kind not in ("Exempt", "Limited"):
        return [field.not_supported("spec.type", kind, ["Exempt", "Limited"])]
    wrong: Errors = []
    name = obj["metadata"].get("name", "")
    if (name == "exempt") != (kind == "Exempt"):
        wrong.append(field.invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'"))
    if name == "catch-all" and spec != _fixed.PRIORITY_LEVELS[name]:
        wrong.append(field.invalid("spec", spec, f"spec of '{name}' must equal the fixed value"))
    if kind == "Exempt" and spec.get("limited") is not None:
        wrong.append(field.forbidden("spec.limited", "must be nil if the type is not Limited"))
    if kind == "Limited" and spec.get("exempt") is not None:
        wrong.append(field.forbidden("spec.exempt", "must be nil if the type is Limited"))
    if kind == "Limited" and spec.get("limited") is None:
        wrong.append(field.required("spec.limited", "must not be empty when type is Limited"))
    return wrong + _limited(spec["limited"], "spec.limited") if spec.get("limited") is not None else wrong


def _limited(limited: Obj, path: str) -> Errors:
    wrong = checks.not_negative(f"{path}.nominalConcurrencyShares", limited.get("nominalConcurrencyShares"))
    percent = limited.get("lendablePercent") or 0
    if not 0 <= percent <= 100:
        wrong.append(field.invalid(f"{path}.lendablePercent", percent, "must be between 0 and 100, inclusive"))
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        why = "if specified, must be a non-negative integer"
        wrong.append(field.invalid(f"{path}.borrowingLimitPercent", borrowing, why))
    response = limited.get("limitResponse") or {}
    if response.get("type") not in ("Queue", "Reject"):
        return [*wrong, field.not_supported(f"{path}.limitResponse.type", response.get("type"), ["Queue", "Reject"])]
    queuing, where = response.get("queuing"), f"{path}.limitResponse.queuing"
    if response["type"] == "Reject" and queuing is not None:
        wrong.append(field.forbidden(where, "must be nil if limited.limitResponse.type is not Limited"))
    if response["type"] == "Queue":
        if queuing is None:
            return [*wrong, field.required(where, "must not be empty if limited.limitResponse.type is Limited")]
        for name in ("queues", "handSize", "queueLengthLimit"):
            if queuing.get(name, 0) <= 0:
                wrong.append(field.invalid(f"{where}.{name}", queuing.get(name), "must be positive"))
        if queuing["queues"] > _MOST_QUEUES:
            why = f"must not be greater than {_MOST_QUEUES}"
            wrong.append(field.invalid(f"{where}.queues", queuing["queues"], why))
        if queuing["handSize"] > queuing["queues"]:
            why = f"should not be greater than queues ({queuing['queues']})"
            wrong.append(field.invalid(f"{where}.handSize", queuing["handSize"], why))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    limited = spec.get("limited") or spec.get("exempt") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    cells = [
        limited.get("nominalConcurrencyShares"),
        *(queuing.get(x) for x in ("queues", "handSize", "queueLengthLimit")),
    ]
    shown = [columns.NONE if cell is None else str(cell) for cell in cells]
    return [obj["metadata"]["name"], spec.get("type", ""), *shown, columns.age(obj, now)]


KIND = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="PriorityLevelConfiguration",
    plural="prioritylevelconfigurations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration"),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    resets={"status": ("spec", "metadata")},
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
