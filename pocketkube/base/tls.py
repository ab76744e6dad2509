"""TLS contexts for both ends: modern versions only, client certificates verified where a client sends one."""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path as File

from pocketkube.base import certificates, unverified

Path = str | PathLike[str]

UNUSABLE = b""  # in place of a client certificate that nobody vouches for, or nobody any more
_NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for


class ServerContext(ssl.SSLContext):
    lets_through = False  # also certificates that are not verified


def server_context(
    cert: Path, key: Path, client_ca: Path | Sequence[Path] | None = None, *, answers_unverified: bool = False
) -> ServerContext:
    """For a listener. With `client_ca`, one file or several, a client may show a certificate; one that none of them
    signed ends the handshake.

    With `answers_unverified` it does not, so that the client can be told in words, and neither does one that is out of
    its time: who reads the certificate, by `peer_certificate`, must look at its times."""
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # clients of an API keep connections; a ticket each handshake costs more than it saves
    for authority in [client_ca] if isinstance(client_ca, str | PathLike) else client_ca or ():
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    if answers_unverified:
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
        if context.verify_mode == ssl.CERT_OPTIONAL:
            context.lets_through = unverified.let_through(context)
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
    """The client's certificate, DER: verified but for its own times. UNUSABLE where it is not, or those above it have expired."""
    found = connection.getpeercert(binary_form=True)
    if not found:
        return None
    chain = unverified.chain_of(connection)
    if not chain and getattr(connection.context, "lets_through", False):
        return UNUSABLE
    above = (chain or ())[1:]
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
