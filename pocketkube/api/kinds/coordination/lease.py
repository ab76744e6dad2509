"""Lease: who holds something, until when: heartbeats and leader election."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors, not_negative
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Holder", "Who holds it."), columns.AGE)


def _default(obj: Obj) -> None:
    if obj.get("spec") is None:
        obj["spec"] = {}


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = not_negative("spec.leaseTransitions", spec.get("leaseTransitions"))
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        wrong.append(field.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], (obj.get("spec") or {}).get("holderIdentity") or "", columns.age(obj, now)]


KIND = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    namespaced=True,
    schema=Schema.of("io.k8s.api.coordination.v1.Lease"),
    priority=10,
    has_generation=False,
    create_on_update=True,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
