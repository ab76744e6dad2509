"""ComponentStatus says whether scheduler, controller manager and etcd answer: kept nowhere, made when asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Status", "Whether the component answers."),
    columns.text("Message", "What it says."),
    columns.text("Error", "What went wrong when it was asked."),
)


def _row(obj: Obj, now: datetime) -> list[Any]:
    found: Obj = next((c for c in obj.get("conditions") or () if c.get("type") == "Healthy"), {})
    status = {"True": "Healthy", "False": "Unhealthy"}.get(found.get("status", ""), "Unknown")
    return [obj["metadata"]["name"], status, found.get("message", ""), found.get("error", "")]


KIND = Kind(
    group="",
    version="v1",
    kind="ComponentStatus",
    plural="componentstatuses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.ComponentStatus"),
    short_names=("cs",),
    verbs=("get", "list"),
    priority=10,
    has_generation=False,
    deprecation="v1 ComponentStatus is deprecated in v1.19+",
    columns=_COLUMNS,
    row=_row,
)
