"""Client certificates that TLS has verified: common name is the user, organizations are the groups. Parsed once a certificate."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from apiserver.interfaces import User

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

log = logging.getLogger(__name__)

_UID_OID = "1.3.6.1.4.1.57683.2"  # where upstream looks for a user's uid
_KEPT = 4096

T = TypeVar("T")
Times = tuple[float, float]  # Unix seconds between which a certificate holds


class ClientCertificates:
    """Subjects by certificate bytes. With `request_header_ca` two authorities share the listener, so that each
    certificate's issuer decides what it is for; with one, the handshake's verification is enough."""

    def __init__(self, client_ca: bytes = b"", request_header_ca: bytes = b"", *, now: Callable[[], float] = time.time):
        self._client_ca, self._proxy_ca = client_ca, request_header_ca
        self._now = now
        self._users: dict[bytes, tuple[User | None, Times]] = {}
        self._proxies: dict[bytes, tuple[str | None, Times]] = {}

    def renew(self, client_ca: bytes, request_header_ca: bytes) -> None:
        """From now on these authorities decide. Raises ValueError where they cannot be read."""
        from cryptography.x509 import load_pem_x509_certificates

        for bundle in filter(None, (client_ca, request_header_ca)):
            load_pem_x509_certificates(bundle)
        self._client_ca, self._proxy_ca = client_ca, request_header_ca
        self._users.clear()
        self._proxies.clear()

    def user(self, der: bytes) -> User | None:
        """The certificate's subject; None where it has expired, has no common name, or is not by the client CA."""
        known = self._users.get(der)
        if known is None:
            known = self._remember(self._users, der, self._parse_user(der))
        return known[0] if known[1][0] <= self._now() < known[1][1] else None

    def refused(self, der: bytes) -> bool:
        """Whether the client CA does not vouch for the certificate now, so that a login by it has failed."""
        if not self._client_ca:
            return False
        certificate, times = _load(der)
        authorities = [ca for ca in (self._client_ca, self._proxy_ca) if ca]
        if certificate is None or not times[0] <= self._now() < times[1]:
            log.info("Unable to authenticate the request: x509: certificate is not verified, or out of its time")
            return True
        if len(authorities) > 1 and not all(_issued_by(der, certificate, ca) for ca in authorities):
            log.info("Unable to authenticate the request: x509: certificate signed by unknown authority")
            return True
        return False

    def proxy_name(self, der: bytes) -> str | None:
        """The common name of a front proxy's certificate; None where the request-header CA has not issued it."""
        known = self._proxies.get(der)
        if known is None:
            known = self._remember(self._proxies, der, self._parse_proxy(der))
        return known[0] if known[1][0] <= self._now() < known[1][1] else None

    @staticmethod
    def _remember(kept: dict[bytes, tuple[T, Times]], der: bytes, parsed: tuple[T, Times]) -> tuple[T, Times]:
        if len(kept) >= _KEPT:
            kept.clear()
        kept[der] = parsed
        return parsed

    def _parse_user(self, der: bytes) -> tuple[User | None, Times]:
        certificate, times = _load(der)
        if certificate is None or (
            self._client_ca and self._proxy_ca and not _issued_by(der, certificate, self._client_ca)
        ):
            return None, times
        names = _attributes(certificate, "2.5.4.3")
        if not names or not names[-1]:
            return None, times
        groups = (*_attributes(certificate, "2.5.4.10"), "system:authenticated")
        uid = (_attributes(certificate, _UID_OID) or [""])[0]
        fingerprint = "X509SHA256=" + hashlib.sha256(der).hexdigest()
        extra = {"authentication.kubernetes.io/credential-id": (fingerprint,)}
        return User(names[-1], uid, tuple(dict.fromkeys(groups)), extra), times

    def _parse_proxy(self, der: bytes) -> tuple[str | None, Times]:
        certificate, times = _load(der)
        if certificate is None or not self._proxy_ca or not _issued_by(der, certificate, self._proxy_ca):
            return None, times
        return (_attributes(certificate, "2.5.4.3") or [""])[-1], times


def _load(der: bytes) -> tuple[Certificate | None, Times]:
    from cryptography.x509 import InvalidVersion, load_der_x509_certificate

    try:
        certificate = load_der_x509_certificate(der)
    except (ValueError, InvalidVersion):
        return None, (0.0, float("inf"))
    return certificate, (certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def _attributes(certificate: Certificate, oid: str) -> list[str]:
    from cryptography.x509 import ObjectIdentifier

    return [str(a.value) for a in certificate.subject.get_attributes_for_oid(ObjectIdentifier(oid))]


def _issued_by(der: bytes, certificate: Certificate, bundle: bytes) -> bool:
    """Whether an authority of the bundle, PEM, stands above the certificate; TLS has verified what is between them."""
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

    between = [load_der_x509_certificate(above) for above in getattr(der, "above", ())]
    authorities = load_pem_x509_certificates(bundle)
    return any(_directly(issued, authority) for issued in (certificate, *between) for authority in authorities)


def _directly(issued: Certificate, authority: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        issued.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
