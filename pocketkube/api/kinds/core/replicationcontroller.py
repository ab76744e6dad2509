"""ReplicationController: keeps a number of pods, the ancestor of ReplicaSet."""

from __future__ import annotations

from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="ReplicationController",
    plural="replicationcontrollers",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ReplicationController"),
    short_names=("rc",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    storage_prefix="controllers",
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
)
