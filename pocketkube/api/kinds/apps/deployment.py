"""Deployment: pods of one form, exchanged step by step when the form changes."""

from __future__ import annotations

from pocketkube.api.kinds.kind import SCALE, STATUS, Kind, ScalePaths
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.Deployment"),
    short_names=("deploy",),
    categories=("all",),
    subresources=(SCALE, STATUS),
    priority=10,
    scale=ScalePaths(selector="spec.selector"),
)
