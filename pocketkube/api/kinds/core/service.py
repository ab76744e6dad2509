"""Service: one address and name for many pods."""

from __future__ import annotations

from pocketkube.api.kinds.kind import PROXY_VERBS, STATUS, Kind, Subresource
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Service"),
    short_names=("svc",),
    categories=("all",),
    subresources=(Subresource("proxy", PROXY_VERBS, kind="ServiceProxyOptions"), STATUS),
    storage_prefix="services/specs",
    priority=10,
    has_generation=False,
    validates_name_as="dns1035",
    create_on_update=True,
)
