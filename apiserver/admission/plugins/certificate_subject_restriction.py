"""CertificateSubjectRestriction: nobody gets a client certificate of the group system:masters by asking for one."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin, forbidden
from apiserver.authn.csr import ORGANIZATION, subject
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind

SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateSubjectRestriction(Plugin):
    name = "CertificateSubjectRestriction"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return (
            kind.resource == "certificatesigningrequests.certificates.k8s.io"
            and operation == "CREATE"
            and not subresource
        )

    def validate(self, request: AdmissionRequest) -> Outcome:
        spec = (request.obj or {}).get("spec") or {}
        if spec.get("signerName") != SIGNER:
            return None
        if "system:masters" in subject(spec.get("request", ""), ORGANIZATION):
            raise forbidden(request, f"use of {SIGNER} signer with system:masters group is not allowed")
        return None


ADMISSION = CertificateSubjectRestriction
