"""Binding ties a pod to a node: the older way, by a POST to the namespace."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Binding",
    plural="bindings",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Binding"),
    verbs=("create",),
    priority=10,
    has_generation=False,
)
