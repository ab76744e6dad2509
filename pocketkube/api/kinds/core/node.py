"""Node: a host that runs pods."""

from __future__ import annotations

from pocketkube.api.kinds.kind import PROXY_VERBS, STATUS, Kind, Subresource
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.Node"),
    short_names=("no",),
    subresources=(Subresource("proxy", PROXY_VERBS, kind="NodeProxyOptions"), STATUS),
    storage_prefix="minions",
    priority=10,
    has_generation=False,
)
