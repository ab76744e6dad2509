"""ClusterRole: rights anywhere, possibly gathered from other roles."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="rbac.authorization.k8s.io",
    version="v1",
    kind="ClusterRole",
    plural="clusterroles",
    namespaced=False,
    schema=Schema.of("io.k8s.api.rbac.v1.ClusterRole"),
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
    create_on_update=True,
)
