"""TLS contexts for both ends: modern versions only, client certificates verified where a client sends one."""

from __future__ import annotations

import ssl
from os import PathLike

Path = str | PathLike[str]


def server_context(cert: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """For a listener. With `client_ca` a client may show a certificate; one that it did not sign ends the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # clients of an API keep connections; a ticket each handshake costs more than it saves
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(ca: Path | None = None, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """For a caller: trusts `ca` alone, or the system's authorities without it; shows `cert` if there is one."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context
