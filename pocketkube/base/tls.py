"""TLS contexts for both ends: modern versions only, client certificates verified where a client sends one."""

from __future__ import annotations

import ssl
import tempfile
import time
from os import PathLike
from pathlib import Path as File
from typing import Any

from pocketkube.base import certificates

Path = str | PathLike[str]

UNUSABLE = b""  # in place of a client certificate whose authority is out of its time
_NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for


def server_context(
    cert: Path, key: Path, client_ca: Path | None = None, *, answers_expired: bool = False
) -> ssl.SSLContext:
    """For a listener. With `client_ca` a client may show a certificate; one that it did not sign ends the handshake.

    With `answers_expired` one that is out of its time does not, so that the client can be told in words: who reads
    the certificate must look at its times."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # clients of an API keep connections; a ticket each handshake costs more than it saves
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    if answers_expired:
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


def own_context(name: str = "localhost") -> ssl.SSLContext:
    """For a listener that was given no certificate: with one made on the spot."""
    with tempfile.TemporaryDirectory() as folder:
        cert, key = File(folder, "tls.crt"), File(folder, "tls.key")
        key.touch(mode=0o600)
        certificate, private = certificates.self_signed(name)
        cert.write_bytes(certificate)
        key.write_bytes(private)
        return server_context(cert, key)


class PeerCertificate(bytes):
    """A client's certificate, DER; `above` are the authorities that vouch for it, DER, up to one that is trusted."""

    above: tuple[bytes, ...] = ()


def peer_certificate(connection: ssl.SSLObject) -> bytes | None:
    """The client's certificate, DER: verified but for its own times. UNUSABLE where those above it have expired."""
    found = connection.getpeercert(binary_form=True)
    if not found:
        return None
    inner: Any = getattr(connection, "_sslobj", None)  # the chain has no public name before Python 3.13
    above = inner.get_verified_chain()[1:] if hasattr(inner, "get_verified_chain") else ()
    now = time.time()
    for authority in above:
        info = authority.get_info()
        if not ssl.cert_time_to_seconds(info["notBefore"]) <= now <= ssl.cert_time_to_seconds(info["notAfter"]):
            return UNUSABLE
    certificate = PeerCertificate(found)
    if len(above) > 1:
        certificate.above = tuple(ssl.PEM_cert_to_DER_cert(authority.public_bytes()) for authority in above)
    return certificate


def client_context(ca: Path | None = None, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """For a caller: trusts `ca` alone, or the system's authorities without it; shows `cert` if there is one."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context
