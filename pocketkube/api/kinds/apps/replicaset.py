"""ReplicaSet: keeps a number of pods of one form."""

from __future__ import annotations

from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apps",
    version="v1",
    kind="ReplicaSet",
    plural="replicasets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.ReplicaSet"),
    short_names=("rs",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
)
