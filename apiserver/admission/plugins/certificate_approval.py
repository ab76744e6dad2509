"""CertificateApproval: who changes a request's approval must be allowed to `approve` for its signer."""

from __future__ import annotations

from apiserver.admission.plugin import Outcome, Plugin, forbidden
from apiserver.authz.signers import may
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind


class CertificateApproval(Plugin):
    name = "CertificateApproval"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return (
            kind.resource == "certificatesigningrequests.certificates.k8s.io"
            and operation == "UPDATE"
            and subresource == "approval"
        )

    def validate(self, request: AdmissionRequest) -> Outcome:
        signer = ((request.old or {}).get("spec") or {}).get("signerName", "")
        if not may(self.setup.authorizer, request.user, "approve", signer=signer):
            raise forbidden(request, f'user not permitted to approve requests with signerName "{signer}"')
        return None


ADMISSION = CertificateApproval
