"""A throwaway CA with a server's and two clients' certificates, as PEM files."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Pki(NamedTuple):
    """PEM files."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path  # a client certificate of another CA
    stranger_key: Path


def make(folder: Path) -> Pki:
    ca, _, ca_key = _issue(folder, "ca", None)
    _, _, other_key = _issue(folder, "other", None)
    server, server_key, _ = _issue(folder, "server", (_name("ca"), ca_key))
    client, client_key, _ = _issue(folder, "client", (_name("ca"), ca_key))
    stranger, stranger_key, _ = _issue(folder, "stranger", (_name("other"), other_key))
    return Pki(ca, server, server_key, client, client_key, stranger, stranger_key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issue(
    folder: Path, stem: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
) -> tuple[Path, Path, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(stem)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0] if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("extension.default.svc")]
            ),
            critical=False,
        )
    )
    cert = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    files = folder / f"{stem}.crt", folder / f"{stem}.key"
    files[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return *files, key
