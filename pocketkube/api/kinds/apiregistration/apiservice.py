"""APIService: a group and version that another server answers."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apiregistration.k8s.io",
    version="v1",
    kind="APIService",
    plural="apiservices",
    namespaced=False,
    schema=Schema.of("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService"),
    categories=("api-extensions",),
    subresources=(STATUS,),
    storage_prefix="apiregistration.k8s.io/apiservices",
    priority=10,
    has_generation=False,
    validates_name_as="path-segment",
)
