"""CertificateSigningRequests: what they ask for, as the approver, the signer and the cleaner see it. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.x509 import CertificateSigningRequest

Obj = dict[str, Any]

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"

NODE_PREFIX, NODES_GROUP = "system:node:", "system:nodes"
_KUBELET_USAGES = {"key encipherment", "digital signature", "client auth"}
_SERVING_USAGES = {"key encipherment", "digital signature", "server auth"}


def has_condition(csr: Obj, type: str) -> bool:
    return any(c["type"] == type for c in (csr.get("status") or {}).get("conditions") or ())


def is_approved(csr: Obj) -> bool:
    return has_condition(csr, "Approved") and not has_condition(csr, "Denied")


def approved(csr: Obj, message: str, now: str) -> Obj:
    """The request with the condition that approves it."""
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "AutoApproved",
        "message": message,
        "lastUpdateTime": now,
        "lastTransitionTime": now,
    }
    status = csr.get("status") or {}
    return {**csr, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}


def parse(csr: Obj) -> CertificateSigningRequest:
    """The PKCS#10 request, all of whose parts can be read. Raises ValueError."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        request = x509.load_pem_x509_csr(base64.b64decode(csr["spec"]["request"]))
        _ = request.subject, request.extensions, request.public_key()  # each is read when it is first asked for
    except (
        UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType
    ) as wrong:  # fmt: skip
        raise ValueError(str(wrong)) from None
    return request


def subject(request: CertificateSigningRequest) -> tuple[str, list[str]]:
    """(common name, organizations)."""
    from cryptography.x509 import NameOID

    names = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return (names[0] if names else ""), groups


def alternative_names(request: CertificateSigningRequest) -> tuple[list[str], list[str], list[str]]:
    """(DNS names, IP addresses, others)."""
    from cryptography import x509

    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], [], []
    names = found.get_values_for_type(x509.DNSName)
    addresses = [str(a) for a in found.get_values_for_type(x509.IPAddress)]
    others = [str(g) for g in found if not isinstance(g, x509.DNSName | x509.IPAddress)]
    return names, addresses, others


def _usages_are(usages: Sequence[str], wanted: set[str]) -> bool:
    """Exactly those; keys that cannot encipher (ECDSA, Ed25519) may leave `key encipherment` out."""
    return set(usages) in (wanted, wanted - {"key encipherment"})


def refusal_as_kubelet_client(request: CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this is no client certificate of a kubelet, "" if it is one."""
    name, groups = subject(request)
    if groups != [NODES_GROUP]:
        return "subject organization is not system:nodes"
    if any(alternative_names(request)):
        return "subjectAltNames are not allowed"
    if not _usages_are(usages, _KUBELET_USAGES):
        return "usages did not match [client auth digital signature key encipherment]"
    return "" if name.startswith(NODE_PREFIX) else "subject common name does not begin with system:node:"


def refusal_as_kubelet_serving(request: CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this is no serving certificate of a kubelet, "" if it is one."""
    name, groups = subject(request)
    names, addresses, others = alternative_names(request)
    if groups != [NODES_GROUP]:
        return "subject organization is not system:nodes"
    if others:
        return "only DNS and IP subjectAltNames are allowed"
    if not names and not addresses:
        return "DNS or IP subjectAltName is required"
    if not _usages_are(usages, _SERVING_USAGES):
        return "usages did not match [digital signature key encipherment server auth]"
    return "" if name.startswith(NODE_PREFIX) else "subject common name does not begin with system:node:"


def refusal_as_client(request: CertificateSigningRequest, usages: Sequence[str]) -> str:
    """Why this cannot be signed as a plain client certificate, "" if it can."""
    allowed = {"digital signature", "key encipherment", "client auth"}
    if any(alternative_names(request)):
        return "subjectAltNames are not allowed"
    if not set(usages) <= allowed or "client auth" not in usages:
        return "usages did not match [client auth digital signature key encipherment]"
    return ""
