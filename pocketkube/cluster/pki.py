"""The cluster's keys and certificates: made once, P-256, readable by their owner only.

ca ── apiserver, kubelet serving, and a client certificate for every component
etcd-ca ── etcd servers and peers, the API server's client
front-proxy-ca ── the client certificate that aggregated API servers trust
sa.key, sa.pub ── service-account tokens (RSA: RS256 is what verifiers expect)
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pocketkube.cluster.spec import ClusterSpec

YEARS = 10
SKEW = dt.timedelta(minutes=10)  # a joining host's clock may be behind


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate to make. `organization` becomes the group; `names` are DNS names and IP addresses it serves."""

    file: str
    ca: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()
    client: bool = True
    server: bool = False


def leaves(spec: ClusterSpec) -> list[Leaf]:
    """Every certificate that a cluster needs."""
    api_names = (
        "kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{spec.domain}",
        "localhost", "127.0.0.1", spec.kubernetes_ip, spec.address, *spec.names,
    )  # fmt: skip
    made = [
        Leaf("apiserver", "ca", "kube-apiserver", names=api_names, client=False, server=True),
        Leaf("apiserver-kubelet-client", "ca", "kube-apiserver-kubelet-client", "system:masters"),
        Leaf("apiserver-etcd-client", "etcd-ca", "kube-apiserver-etcd-client"),
        Leaf("front-proxy-client", "front-proxy-ca", "front-proxy-client"),
        Leaf("etcd", "etcd-ca", "etcd", names=("localhost", "127.0.0.1"), server=True),
        Leaf("admin", "ca", "kubernetes-admin", "system:masters"),
        Leaf("scheduler", "ca", "system:kube-scheduler", names=("localhost", "127.0.0.1"), server=True),
        Leaf("controller", "ca", "system:kube-controller-manager", names=("localhost", "127.0.0.1"), server=True),
        Leaf("proxy", "ca", "system:kube-proxy"),
    ]
    for node in spec.nodes:
        made += node_leaves(node.name, node.address)
    return made


def node_leaves(name: str, address: str) -> list[Leaf]:
    identity = f"system:node:{name}"
    return [
        Leaf(f"kubelet-{name}", "ca", identity, "system:nodes"),
        Leaf(f"kubelet-{name}-serving", "ca", identity, "system:nodes", (name, address), client=False, server=True),
    ]


def request(leaf: Leaf) -> tuple[bytes, bytes]:
    """(certificate signing request, private key) in PEM, for a certificate that another machine's CA signs."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(leaf))
    if leaf.names:
        names = x509.SubjectAlternativeName([_general_name(n) for n in leaf.names])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), _pem(key)


def keep(folder: Path, name: str, certificate: bytes, key: bytes = b"") -> None:
    """Store a certificate, and its key if there is one, that was made elsewhere. All in PEM."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / f"{name}.crt", certificate)
    if key:
        _write(folder / f"{name}.key", key)


def ensure(folder: Path, spec: ClusterSpec) -> bool:
    """Make what is missing below `folder`. True if anything was made. A server certificate that lacks a name is renewed."""
    if not spec.control_plane:
        return False  # all that such a machine has was signed when it joined
    made = False
    for ca in ("ca", "etcd-ca", "front-proxy-ca"):
        made |= _ensure_ca(folder, ca)
    for leaf in leaves(spec):
        made |= _ensure_leaf(folder, leaf)
    if not (folder / "sa.key").exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _write(folder / "sa.pub", key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))  # fmt: skip
        _write_key(folder / "sa.key", key)
        made = True
    return made


def _ensure_ca(folder: Path, name: str) -> bool:
    if (folder / f"{name}.key").exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pocketkube-{name}")])
    builder = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    _write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)
    return True


def _ensure_leaf(folder: Path, leaf: Leaf) -> bool:
    path = folder / f"{leaf.file}.crt"
    if path.exists() and not _lacks_names(path, leaf.names):
        return False
    ca = x509.load_pem_x509_certificate((folder / f"{leaf.ca}.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((folder / f"{leaf.ca}.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] * leaf.client + [ExtendedKeyUsageOID.SERVER_AUTH] * leaf.server
    builder = (
        _builder(_subject(leaf), ca.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if leaf.names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(n) for n in leaf.names]), critical=False
        )
    _write(path, builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{leaf.file}.key", key)
    return True


def _subject(leaf: Leaf) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization)] if leaf.organization else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)])


def _lacks_names(path: Path, names: Sequence[str]) -> bool:
    if not names:
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return not {_general_name(n) for n in names} <= set(found)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + dt.timedelta(days=365 * YEARS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=not signs_certificates, key_cert_sign=signs_certificates,
        crl_sign=signs_certificates, content_commitment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    _write(path, _pem(key))


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(form, kind, serialization.NoEncryption())


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    part.rename(path)
