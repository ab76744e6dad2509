"""PodGroup: pods that are scheduled together."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="scheduling.k8s.io",
    version="v1beta1",
    kind="PodGroup",
    plural="podgroups",
    namespaced=True,
    schema=Schema.of("io.k8s.api.scheduling.v1beta1.PodGroup"),
    subresources=(STATUS,),
    priority=4,
)
