"""CSR signing: signs approved requests of the kubernetes.io signers, all with one CA or each with its own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller import certificates
from controller.context import Context, Controller, Run
from controller.options import Options
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import CERTIFICATESIGNINGREQUESTS

if TYPE_CHECKING:
    from cryptography.x509 import CertificateSigningRequest

Obj = dict[str, Any]

BACKDATE = timedelta(minutes=5)  # clocks differ
SHORTEST = 600.0  # seconds
Refusal = Callable[["CertificateSigningRequest", Sequence[str]], str]
_REFUSALS: dict[str, Refusal] = {
    certificates.KUBELET_CLIENT: certificates.refusal_as_kubelet_client,
    certificates.KUBELET_SERVING: certificates.refusal_as_kubelet_serving,
    certificates.CLIENT: certificates.refusal_as_client,
    certificates.LEGACY: lambda request, usages: "",
}


class Signer:
    """A CA: the same for all signers, or one by files of its own."""

    def __init__(self, cert_file: str, key_file: str):
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        self._ca = x509.load_pem_x509_certificate(Path(cert_file).read_bytes())
        self._key: Any = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)

    def sign(
        self, request: CertificateSigningRequest, usages: Sequence[str], *, seconds: float, now: datetime
    ) -> bytes:
        """A PEM certificate, valid for `seconds` but never longer than the CA."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.serialization import Encoding

        end = min(now + timedelta(seconds=seconds), self._ca.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self._ca.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - BACKDATE, self._ca.not_valid_before_utc))
            .not_valid_after(end)
        )
        for extension, critical in self._extensions(request, usages):
            builder = builder.add_extension(extension, critical=critical)
        algorithm = None if isinstance(self._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(self._key, algorithm).public_bytes(Encoding.PEM)

    def _extensions(self, request: CertificateSigningRequest, usages: Sequence[str]) -> Iterator[tuple[Any, bool]]:
        """(extension, whether it is critical): what is asked for, who signs, and the names of the request."""
        from cryptography import x509

        yield x509.BasicConstraints(ca=False, path_length=None), True
        yield _key_usage(usages), True
        if extended := _extended_usages(usages):
            yield x509.ExtendedKeyUsage(extended), False
        for found in self._ca.extensions:
            if isinstance(found.value, x509.SubjectKeyIdentifier):
                yield x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value), False
        for found in request.extensions:
            if isinstance(found.value, x509.SubjectAlternativeName):
                yield found.value, found.critical


def _key_usage(usages: Sequence[str]) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature="digital signature" in usages or "signing" in usages,
        content_commitment="content commitment" in usages,
        key_encipherment="key encipherment" in usages,
        data_encipherment="data encipherment" in usages,
        key_agreement="key agreement" in usages,
        key_cert_sign="cert sign" in usages,
        crl_sign="crl sign" in usages,
        encipher_only=False,
        decipher_only=False,
    )


def _extended_usages(usages: Sequence[str]) -> list[Any]:
    from cryptography.x509.oid import ExtendedKeyUsageOID as Oid

    known = {"client auth": Oid.CLIENT_AUTH, "server auth": Oid.SERVER_AUTH, "code signing": Oid.CODE_SIGNING,
             "email protection": Oid.EMAIL_PROTECTION, "timestamping": Oid.TIME_STAMPING,
             "ocsp signing": Oid.OCSP_SIGNING}  # fmt: skip
    return [oid for name, oid in known.items() if name in usages]


def authorities(options: Options) -> dict[str, tuple[str, str]]:
    """(certificate file, key file) by signer name, of those that have both. Raises ValueError where both ways are mixed."""
    of_all = (options.cluster_signing_cert_file, options.cluster_signing_key_file)
    own = {
        certificates.KUBELET_SERVING: (
            options.cluster_signing_kubelet_serving_cert_file,
            options.cluster_signing_kubelet_serving_key_file,
        ),
        certificates.KUBELET_CLIENT: (
            options.cluster_signing_kubelet_client_cert_file,
            options.cluster_signing_kubelet_client_key_file,
        ),
        certificates.CLIENT: (
            options.cluster_signing_kube_apiserver_client_cert_file,
            options.cluster_signing_kube_apiserver_client_key_file,
        ),
        certificates.LEGACY: (
            options.cluster_signing_legacy_unknown_cert_file,
            options.cluster_signing_legacy_unknown_key_file,
        ),
    }
    if any(any(files) for files in own.values()):
        if any(of_all):
            raise ValueError("cannot specify default and per controller certs at the same time")
        return {name: files for name, files in own.items() if all(files)}
    return dict.fromkeys(own, of_all) if all(of_all) else {}


def is_due(csr: Obj) -> bool:
    """Approved, not failed, not signed yet, and of a signer that is ours."""
    status = csr.get("status") or {}
    if csr["spec"].get("signerName") not in _REFUSALS or status.get("certificate"):
        return False
    return certificates.is_approved(csr) and not certificates.has_condition(csr, "Failed")


def duration(csr: Obj, longest: float) -> float:
    """Seconds: what was asked for, within 10 minutes and the signer's own duration."""
    asked = csr["spec"].get("expirationSeconds")
    return longest if asked is None else min(max(float(asked), SHORTEST), longest)


def plan(csr: Obj, signer: Signer, longest: float, now: datetime) -> Obj:
    """The request with its certificate, or with the reason why it gets none."""
    usages = csr["spec"].get("usages") or ()
    status = csr.get("status") or {}
    try:
        request = certificates.parse(csr)
        refusal = "" if request.is_signature_valid else "the request is not signed by its own key"
        refusal = refusal or _REFUSALS[csr["spec"]["signerName"]](request, usages)
    except ValueError as error:
        refusal = f"unable to parse csr: {error}"
    if refusal:
        stamp = rfc3339(now)
        failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": refusal}
        failed |= {"lastUpdateTime": stamp, "lastTransitionTime": stamp}
        return {**csr, "status": {**status, "conditions": [*(status.get("conditions") or ()), failed]}}
    pem = signer.sign(request, usages, seconds=duration(csr, longest), now=now)
    return {**csr, "status": {**status, "certificate": base64.b64encode(pem).decode()}}


async def _nothing() -> None:
    """Without a CA another signer does this."""


def start(context: Context) -> Run:
    options = context.options
    signed = authorities(options)
    if not signed:
        return _nothing()
    requests = context.informer(CERTIFICATESIGNINGREQUESTS)

    async def reconcile(name: str) -> None:
        csr = requests.store.get(name)
        files = signed.get(csr["spec"].get("signerName", "")) if csr is not None else None
        if csr is None or files is None or not is_due(csr):
            return
        signer = Signer(*files)  # read again: it may be renewed
        try:
            final = plan(csr, signer, options.cluster_signing_duration, context.clock.now())
            await context.client.update_status(CERTIFICATESIGNINGREQUESTS, final)
        except errors.NotFound:
            return

    work = Reconciler("csr-signing", reconcile, clock=context.clock, workers=1)
    requests.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]),
    )
    return work.run((requests,))


CONTROLLER = Controller(
    "certificatesigningrequest-signing-controller", "certificate-controller", start, aliases=("csrsigning",)
)
