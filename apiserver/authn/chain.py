"""One `Authenticator` made of all: front proxy, client certificate, bearer token, anonymous; then impersonation.

A subject seen before costs a lookup: certificates are known by their bytes, tokens by the raw header value until they
expire or what they are bound to is gone. Nothing is remembered about a refusal.
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Sequence

from apiserver.asking import settled
from apiserver.authn.bearer import Bearer, BearerAuthenticator, InvalidToken
from apiserver.authn.impersonation import impersonate
from apiserver.authn.requestheader import RequestHeader
from apiserver.authn.x509 import ClientCertificates
from apiserver.interfaces import Authorizer, User
from pocketkube.api.meta import errors

log = logging.getLogger(__name__)

Headers = Sequence[tuple[bytes, bytes]]
ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
UNKNOWN = "invalid bearer token"
_WEBSOCKET_PREFIX = b"base64url.bearer.authorization.k8s.io."
_KEPT = 16384


def everywhere(path: str) -> bool:
    """Anonymous requests are let through to authorization, whatever their path."""
    return True


class Chain:
    """Implements `Authenticator`."""

    def __init__(
        self,
        certificates: ClientCertificates,
        bearers: Sequence[BearerAuthenticator],
        *,
        request_header: RequestHeader | None = None,
        anonymous: Callable[[str], bool] = everywhere,
        authorizer: Authorizer | None = None,
        now: Callable[[], float] = time.time,
    ):
        self._certificates = certificates
        self._bearers = tuple(bearers)
        self._request_header = request_header
        self._anonymous = anonymous
        self._authorizer = authorizer
        self._now = now
        self._known: dict[bytes, Bearer] = {}

    async def authenticate(self, headers: Headers, peer_certificate: bytes | None, path: str = "") -> User:
        """The subject. Raises errors.Unauthorized; with impersonation errors.Forbidden and errors.BadRequest too."""
        authorization = None
        impersonating = False
        for name, value in headers:
            first = name[0]
            if first == 97:  # "a"
                if name == b"authorization":
                    authorization = value
            elif first == 105:  # "i"
                impersonating = impersonating or name.startswith(b"impersonate-")
            elif first == 115 and name == b"sec-websocket-protocol" and authorization is None:
                authorization = _from_websocket(value)
        user = None
        if peer_certificate is not None:
            user = self._by_certificate(headers, peer_certificate)
            if user is None and not _has_token(authorization) and self._certificates.refused(peer_certificate):
                raise errors.Unauthorized  # whoever shows a certificate does not want to be nobody
        if user is None:
            user = await self._by_header(authorization, path)
        if impersonating and self._authorizer is not None:
            authorizer = self._authorizer
            return await settled(lambda: impersonate(user, headers, authorizer))
        return user

    def _by_certificate(self, headers: Headers, der: bytes) -> User | None:
        if self._request_header is not None:
            user = self._request_header.user(headers, self._certificates.proxy_name(der))
            if user is not None:
                return user
        return self._certificates.user(der)

    async def _by_header(self, authorization: bytes | None, path: str) -> User:
        if authorization is None:
            return self._nobody(path)
        known = self._known.get(authorization)
        if known is not None:
            if self._now() < known.expires and (known.holds is None or known.holds()):
                return known.user
            self._known.pop(authorization, None)
        return await self._first_seen(authorization, path)

    def _nobody(self, path: str) -> User:
        if self._anonymous(path):
            return ANONYMOUS
        raise errors.Unauthorized

    async def _first_seen(self, authorization: bytes, path: str) -> User:
        scheme, token = _credentials(authorization)
        if scheme != "bearer" or not token:
            return self._nobody(path)
        try:
            bearer = await self.verify(token)
        except InvalidToken as invalid:
            log.info("Refused a bearer token: %s", invalid)
            raise errors.Unauthorized from invalid
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[authorization] = bearer
        return bearer.user

    def renew(self, client_ca: bytes, request_header_ca: bytes) -> None:
        """Other authorities of client certificates, PEM. Raises ValueError."""
        self._certificates.renew(client_ca, request_header_ca)

    async def verify(self, token: str, audiences: Sequence[str] = ()) -> Bearer:
        """What a token stands for, unremembered. Raises InvalidToken."""
        why = []
        for bearers in self._bearers:
            try:
                found = await bearers.authenticate(token, audiences)
            except InvalidToken as invalid:  # one of the next may know better
                why.append(str(invalid))
                continue
            if found is not None:
                return found
        told = list(dict.fromkeys((UNKNOWN, *why)))
        raise InvalidToken(told[0] if len(told) == 1 else f"[{', '.join(told)}]")

    async def close(self) -> None:
        for bearers in self._bearers:
            await bearers.close()


def _has_token(authorization: bytes | None) -> bool:
    return authorization is not None and _credentials(authorization)[0] == "bearer"


def _credentials(authorization: bytes) -> tuple[str, str]:
    """(scheme in lower case, what follows its space); a second space leaves no token, a third word is not looked at."""
    words = authorization.decode("latin-1").strip().split(" ", 2)
    return words[0].lower(), words[1] if len(words) > 1 else ""


def _from_websocket(value: bytes) -> bytes | None:
    """Browsers cannot set Authorization on a WebSocket: the token travels as a subprotocol."""
    for offered in value.split(b","):
        offered = offered.strip()
        if offered.startswith(_WEBSOCKET_PREFIX):
            encoded = offered[len(_WEBSOCKET_PREFIX) :]
            try:
                return b"Bearer " + base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
            except ValueError:
                return None
    return None
