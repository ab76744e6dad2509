"""CertificateSigning: who writes a certificate into a request's status must be allowed to `sign` for its signer."""

from __future__ import annotations

from apiserver.admission.plugin import Obj, Outcome, Plugin, forbidden
from apiserver.authz.signers import may
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind


class CertificateSigning(Plugin):
    name = "CertificateSigning"

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return (
            kind.resource == "certificatesigningrequests.certificates.k8s.io"
            and operation == "UPDATE"
            and subresource == "status"
        )

    def validate(self, request: AdmissionRequest) -> Outcome:
        new, old = request.obj or {}, request.old or {}
        if _outcome(new) == _outcome(old):
            return None
        signer = (old.get("spec") or {}).get("signerName", "")
        if not may(self.setup.authorizer, request.user, "sign", signer=signer):
            raise forbidden(request, f'user not permitted to sign requests with signerName "{signer}"')
        return None


def _outcome(csr: Obj) -> tuple[object, object]:
    """What only a signer sets: the certificate and whether signing failed."""
    status = csr.get("status") or {}
    failed = [c for c in status.get("conditions") or () if c.get("type") == "Failed"]
    return status.get("certificate"), failed


ADMISSION = CertificateSigning
