"""Verifies ID tokens of one issuer: signature by the issuer's keys, then times and audience, then the claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apiserver.authn.bearer import Bearer, BearerAuthenticator, InvalidToken
from apiserver.authn.jwts import unverified_claims
from apiserver.authn.oidc import claims as mapping
from apiserver.authn.oidc import distributed
from apiserver.authn.oidc.provider import Provider
from apiserver.authn.oidc.settings import Issuer

if TYPE_CHECKING:
    from jwt import PyJWK
    from jwt.types import Options

Obj = dict[str, Any]

KEPT_SECONDS = 10.0  # a verified token is trusted that long before its issuer's keys are looked at again
NOT_BEFORE_LEEWAY = 300.0
_SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class IdTokens(BearerAuthenticator):
    """A `BearerAuthenticator`."""

    def __init__(self, issuer: Issuer, *, provider: Provider | None = None, now: Callable[[], float] = time.time):
        self.issuer = issuer
        self.provider = provider or Provider(issuer)
        self._now = now

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        """None for tokens of other issuers. They know nothing of the API's audiences."""
        unverified = unverified_claims(token)
        if unverified is None or unverified.get("iss") != self.issuer.url:
            return None
        claims = await self.verify(token)
        claims = await distributed.resolved(claims, self.issuer.groups.claim, self.provider, self.verify)
        user = mapping.subject(self.issuer, claims)
        return Bearer(user, (), min(float(claims["exp"]), self._now() + KEPT_SECONDS))

    async def verify(self, token: str) -> Obj:
        """The claims of a token that is by this issuer, for us, and of now. Raises InvalidToken."""
        claims = await self._signed(token)
        given = claims.get("aud", [])
        given = [given] if isinstance(given, str) else given
        if not isinstance(given, list) or not any(a in given for a in self.issuer.audiences):
            wanted = self.issuer.audiences
            shown = f'"{wanted[0]}"' if len(wanted) == 1 else str(list(wanted))
            raise InvalidToken(f"oidc: verify token: oidc: expected audience in {shown} got {given}")
        expires, begins, now = claims.get("exp"), claims.get("nbf"), self._now()
        if not isinstance(expires, int | float):
            raise InvalidToken("oidc: verify token: the token has no expiry")
        if expires < now:
            when = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
            raise InvalidToken(f"oidc: verify token: oidc: token is expired (Token Expiry: {when})")
        if isinstance(begins, int | float) and now + NOT_BEFORE_LEEWAY < begins:
            raise InvalidToken("oidc: verify token: oidc: current time is before the nbf (not before) time")
        return claims

    async def close(self) -> None:
        await self.provider.close()

    async def _signed(self, token: str) -> Obj:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as failure:
            raise InvalidToken(f"oidc: verify token: oidc: malformed jwt: {failure}") from failure
        algorithm = header.get("alg")
        if algorithm not in self.issuer.algorithms:
            allowed = " ".join(self.issuer.algorithms)
            raise InvalidToken(
                f"oidc: verify token: oidc: id token signed with unsupported algorithm, expected [{allowed}] got {algorithm!r}"
            )
        for key in await self.provider.keys(header.get("kid") or ""):
            claims = _decode(token, key, algorithm)
            if claims is not None:
                return claims
        raise InvalidToken("oidc: verify token: failed to verify signature: failed to verify id token signature")


def _decode(token: str, key: PyJWK, algorithm: str) -> Obj | None:
    """The claims where `key` signed them; their times and audiences are not looked at."""
    import jwt

    try:
        found: Obj = jwt.decode(token, key.key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):  # of a key of another type too
        return None
    return found
