"""CronJob: Jobs by a schedule."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="batch",
    version="v1",
    kind="CronJob",
    plural="cronjobs",
    namespaced=True,
    schema=Schema.of("io.k8s.api.batch.v1.CronJob"),
    short_names=("cj",),
    categories=("all",),
    subresources=(STATUS,),
    priority=10,
)
