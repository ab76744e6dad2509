"""CertificateSigningRequest: a wish for a certificate, to be approved and signed."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind, Subresource
from pocketkube.api.schema import Schema

KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="CertificateSigningRequest",
    plural="certificatesigningrequests",
    namespaced=False,
    schema=Schema.of("io.k8s.api.certificates.v1.CertificateSigningRequest"),
    short_names=("csr",),
    subresources=(Subresource("approval"), STATUS),
    priority=10,
    has_generation=False,
    create_on_update=True,
)
