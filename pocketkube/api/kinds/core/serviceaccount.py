"""ServiceAccount: who a pod is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns
from pocketkube.api.kinds.kind import Kind, Subresource
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("Secrets", "How many secrets it names."), columns.AGE)


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), columns.age(obj, now)]


KIND = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ServiceAccount"),
    short_names=("sa",),
    subresources=(Subresource("token", ("create",), kind="TokenRequest", group="authentication.k8s.io", version="v1"),),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
)
