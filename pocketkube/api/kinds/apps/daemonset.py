"""DaemonSet: one pod on every node that fits."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.DaemonSet"),
    short_names=("ds",),
    categories=("all",),
    subresources=(STATUS,),
    priority=10,
)
