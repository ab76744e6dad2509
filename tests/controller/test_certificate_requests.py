"""Certificate requests that are broken inside: they are refused as a whole, whoever looks at them first."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller import certificates
from controller.loops import csr_approving


def request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:a")])
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        pytest.param(b"\x02\x01\x00", b"\x02\x01\x01", id="version of no request"),
        pytest.param(b"\x0c\x0dsystem:node:a", b"\x00\x0dsystem:node:a", id="name of no type"),
        pytest.param(b"\x0c\x0dsystem:node:a", b"\x0c\x0dsystem:node:\xff", id="name that is no text"),
        pytest.param(b"\x82\x09a.example", b"\xb2\x09a.example", id="alternative name of no type"),
        pytest.param(b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2a\x86\x48\xce\x3d\x02\x7f", id="key of no known kind"),
    ],
)
def test_is_refused(whole: bytes, broken: bytes) -> None:
    data = request()
    assert whole in data
    lines = base64.encodebytes(data.replace(whole, broken, 1))
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % lines
    spec = {"request": base64.b64encode(pem).decode(), "signerName": certificates.KUBELET_CLIENT, "username": "a"}
    csr = {"metadata": {"name": "a"}, "spec": spec}
    with pytest.raises(ValueError):
        certificates.parse(csr)
    assert csr_approving.recognized(csr) == []
