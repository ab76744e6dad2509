"""ServiceCIDR: a range that service addresses come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("CIDRs", "The ranges that addresses come from."), columns.AGE)


def _default(obj: Obj) -> None:
    workload.spec_of(obj)


def _validate(obj: Obj) -> Errors:
    cidrs = obj["spec"].get("cidrs") or []
    if not cidrs:
        return [field.required("spec.cidrs", "at least one CIDR required")]
    if len(cidrs) > 2:
        return [field.invalid("spec.cidrs", obj["spec"], "may only hold up to 2 values")]
    wrong: Errors = []
    if len({":" in cidr for cidr in cidrs}) < len(cidrs):
        wrong.append(
            field.invalid(
                "spec.cidrs",
                obj["spec"],
                "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
            )
        )
    for at, cidr in enumerate(cidrs):
        wrong += checks.named(f"spec.cidrs[{at}]", cidr, names.is_cidr)
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec.cidrs", obj["spec"].get("cidrs"), (old.get("spec") or {}).get("cidrs"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], ",".join((obj.get("spec") or {}).get("cidrs") or ()), columns.age(obj, now)]


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="ServiceCIDR",
    plural="servicecidrs",
    namespaced=False,
    schema=Schema.of("io.k8s.api.networking.v1.ServiceCIDR"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=_validate_update,
)
