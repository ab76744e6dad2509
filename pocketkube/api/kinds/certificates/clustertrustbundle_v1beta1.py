"""ClusterTrustBundle in v1beta1: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.certificates import clustertrustbundle
from pocketkube.api.schema import Schema

KIND = replace(
    clustertrustbundle.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.certificates.v1beta1.ClusterTrustBundle"),
    storage_version="v1",
    priority=4,
)
