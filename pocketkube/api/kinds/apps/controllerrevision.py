"""ControllerRevision: a past state of a StatefulSet or DaemonSet; its data never changes."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apps",
    version="v1",
    kind="ControllerRevision",
    plural="controllerrevisions",
    namespaced=True,
    schema=Schema.of("io.k8s.api.apps.v1.ControllerRevision"),
    priority=10,
    has_generation=False,
)
