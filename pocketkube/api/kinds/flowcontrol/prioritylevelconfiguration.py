"""PriorityLevelConfiguration: how many requests of a level run at once, and how others wait."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="PriorityLevelConfiguration",
    plural="prioritylevelconfigurations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration"),
    subresources=(STATUS,),
    priority=10,
)
