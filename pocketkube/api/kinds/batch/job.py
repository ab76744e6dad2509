"""Job: pods that run to an end."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="batch",
    version="v1",
    kind="Job",
    plural="jobs",
    namespaced=True,
    schema=Schema.of("io.k8s.api.batch.v1.Job"),
    categories=("all",),
    subresources=(STATUS,),
    priority=10,
)
