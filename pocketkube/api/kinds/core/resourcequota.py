"""ResourceQuota: how much a namespace may use altogether."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

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
)
