"""Namespace: a scope of names; it ends when its content is gone and its finalizers are."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind, Subresource
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.Namespace"),
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=(Subresource("finalize", ("update",)), STATUS),
    priority=10,
    has_generation=False,
    validates_name_as="dns-label",
)
