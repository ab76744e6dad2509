"""StatefulSet: numbered pods, each with a name and storage of its own."""

from __future__ import annotations

from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apps",
    version="v1",
    kind="StatefulSet",
    plural="statefulsets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.StatefulSet"),
    short_names=("sts",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
)
