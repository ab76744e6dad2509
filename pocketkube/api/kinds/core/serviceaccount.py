"""ServiceAccount: who a pod is."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind, Subresource
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.ServiceAccount"),
    short_names=("sa",),
    subresources=(Subresource("token", ("create",), kind="TokenRequest", group="authentication.k8s.io", version="v1"),),
    priority=10,
    has_generation=False,
)
