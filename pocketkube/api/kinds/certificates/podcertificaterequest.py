"""PodCertificateRequest: a pod's wish for a certificate."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="PodCertificateRequest",
    plural="podcertificaterequests",
    namespaced=True,
    schema=Schema.of("io.k8s.api.certificates.v1.PodCertificateRequest"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
