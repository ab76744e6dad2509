"""ClusterTrustBundle: certificates to trust."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="ClusterTrustBundle",
    plural="clustertrustbundles",
    namespaced=False,
    schema=Schema.of("io.k8s.api.certificates.v1.ClusterTrustBundle"),
    priority=10,
    has_generation=False,
)
