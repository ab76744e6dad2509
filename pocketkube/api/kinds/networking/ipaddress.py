"""IPAddress: a service address that is taken, and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("ParentRef", "Who uses the address."), columns.AGE)


def _validate(obj: Obj) -> Errors:
    import ipaddress

    name, parent = obj["metadata"].get("name", ""), (obj.get("spec") or {}).get("parentRef")
    wrong: Errors = []
    try:
        if str(ipaddress.ip_address(name)) != name:
            wrong.append(field.invalid("metadata.name", name, "must be a valid IP address in canonical form"))
    except ValueError:
        wrong.append(field.invalid("metadata.name", name, "must be a valid IP address in canonical form"))
    if parent is None:
        return [*wrong, field.required("spec.parentRef")]
    wrong += checks.named("spec.parentRef.group", parent.get("group") or "", _group)
    for part in ("resource", "name", "namespace"):
        if value := parent.get(part):
            wrong += checks.named(f"spec.parentRef.{part}", value, names.is_path_segment)
        elif part != "namespace":
            wrong.append(field.required(f"spec.parentRef.{part}"))
    return wrong


def _group(name: str) -> list[str]:
    """The core group has no name."""
    return names.is_dns_subdomain(name) if name else []


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = (x.get("spec") or {} for x in (obj, old))
    return checks.immutable("spec.parentRef", new.get("parentRef"), before.get("parentRef"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    group = f".{parent['group']}" if parent.get("group") else ""
    parts = [parent.get("resource", "") + group, parent.get("namespace", ""), parent.get("name", "")]
    return [obj["metadata"]["name"], "/".join(part for part in parts if part) or columns.NONE, columns.age(obj, now)]


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IPAddress",
    plural="ipaddresses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.networking.v1.IPAddress"),
    short_names=("ip",),
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
    selectable={
        "spec.parentRef.name": lambda obj: str(((obj.get("spec") or {}).get("parentRef") or {}).get("name") or "")
    },
)
