"""The listener's TLS: a certificate by the name that a client asks for, and everything anew when its files change.

One context listens; each handshake is given the one that holds now, so that nothing has to be restarted.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping
from os import stat
from typing import NamedTuple

from apiserver.options import Options
from pocketkube.base import tls

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
_VERSIONS = {
    "VersionTLS10": ssl.TLSVersion.TLSv1,
    "VersionTLS11": ssl.TLSVersion.TLSv1_1,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}
# Go's names of what can be chosen, and OpenSSL's; those of TLS 1.3 are always there.
_CIPHERS = {
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}


class Pair(NamedTuple):
    """A certificate and its key, for the names (`*.example.com` among them) that it is to be shown for."""

    cert: str
    key: str
    names: tuple[str, ...] = ()


def pair_of(flag: str) -> Pair:
    """`cert,key` or `cert,key:name,name`. Raises ValueError."""
    paths, _, names = flag.partition(":")
    cert, comma, key = paths.partition(",")
    if not comma or not cert or not key:
        raise ValueError(f'--tls-sni-cert-key: expected "certificate,key" paths, got "{flag}"')
    return Pair(cert, key, tuple(name for name in names.lower().split(",") if name))


class Listener:
    """`renewed` is called when the files of client authorities have changed."""

    def __init__(self, flags: Options, renewed: Callable[[], None] = lambda: None):
        """Raises OSError, ValueError."""
        self._flags, self._renewed = flags, renewed
        self._pairs = [pair_of(flag) for flag in flags.tls_sni_cert_key]
        self._seen = self._state()
        self.context = self._default = self._made(Pair(flags.tls_cert_file, flags.tls_private_key_file))
        self._by_name = self._all_named()
        self.context.sni_callback = self._choose

    @property
    def _authorities(self) -> list[str]:
        return [path for path in (self._flags.client_ca_file, self._flags.requestheader_client_ca_file) if path]

    def _made(self, pair: Pair) -> tls.ServerContext:
        flags = self._flags
        context = tls.server_context(pair.cert, pair.key, self._authorities, answers_unverified=True)
        if flags.tls_min_version:
            if flags.tls_min_version not in _VERSIONS:
                raise ValueError(f"--tls-min-version: unknown tls version {flags.tls_min_version!r}")
            context.minimum_version = _VERSIONS[flags.tls_min_version]
        if flags.tls_cipher_suites:
            context.set_ciphers(_ciphers(flags.tls_cipher_suites))
        return context

    def _all_named(self) -> Mapping[str, tls.ServerContext]:
        found: dict[str, tls.ServerContext] = {}
        for pair in self._pairs:
            context = self._made(pair)
            for name in pair.names or _names_in(pair.cert):
                found.setdefault(name, context)
        return found

    def _choose(self, connection: ssl.SSLObject, name: str | None, _listening: ssl.SSLContext) -> None:
        wanted = self._default
        if self._by_name and name:
            name = name.lower()
            wanted = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2]) or wanted
        if wanted is not self.context:
            connection.context = wanted

    def renew(self) -> bool:
        """Look at the files; whether they have changed and are in use now. What cannot be used is tried again."""
        state = self._state()
        if state == self._seen:
            return False
        try:
            default = self._made(Pair(self._flags.tls_cert_file, self._flags.tls_private_key_file))
            by_name = self._all_named()
            self._renewed()
        except (OSError, ValueError) as failure:
            log.warning("the certificates have changed and cannot be used yet: %s", failure)
            return False
        self._default, self._by_name, self._seen = default, by_name, state
        log.info("the certificates have changed and are in use")
        return True

    def _state(self) -> list[tuple[int, int, int]]:
        """What shows that a file is another one."""
        flags = self._flags
        pairs = (path for pair in self._pairs for path in pair[:2])
        return [_mark(path) for path in (flags.tls_cert_file, flags.tls_private_key_file, *self._authorities, *pairs)]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.renew()


def _mark(path: str) -> tuple[int, int, int]:
    try:
        found = stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _ciphers(names: Iterable[str]) -> str:
    unknown = [name for name in names if name not in _CIPHERS]
    if unknown:
        raise ValueError(f"--tls-cipher-suites: Cipher suite {unknown[0]} not supported or doesn't exist")
    return ":".join(filter(None, (_CIPHERS[name] for name in names))) or "DEFAULT"


def _names_in(path: str) -> list[str]:
    """A certificate's own names."""
    from cryptography import x509

    with open(path, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    try:
        others = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [name.lower() for name in names]
    return [name.lower() for name in (*names, *others.get_values_for_type(x509.DNSName))]
