"""CustomResourceDefinition: a kind that users add."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    namespaced=False,
    schema=Schema.of("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"),
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=(STATUS,),
    storage_prefix="apiextensions.k8s.io/customresourcedefinitions",
    priority=10,
)
