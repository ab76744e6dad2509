"""Verifies service-account tokens, bound and legacy: signature and times by the key, the rest by what is stored now."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from apiserver.authn.bearer import Bearer, BearerAuthenticator, InvalidToken
from apiserver.authn.jwts import unverified_claims
from apiserver.interfaces import Cluster, User
from pocketkube.api.meta import errors

if TYPE_CHECKING:
    from apiserver.authn.keys import PublicKey

log = logging.getLogger(__name__)

Obj = dict[str, Any]
LEEWAY_SECONDS = 60
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = "kubernetes.io/serviceaccount/"
_PREFIX = "authentication.kubernetes.io/"


class ServiceAccountTokens(BearerAuthenticator):
    """A `BearerAuthenticator`. `issuers`: the first is what new tokens carry, the rest are still accepted."""

    def __init__(
        self, cluster: Cluster, public_keys: Sequence[bytes], issuers: Sequence[str], audiences: Sequence[str]
    ):
        self._cluster = cluster
        self._pems = tuple(public_keys)
        self._issuers = frozenset(issuers)
        self._audiences = tuple(audiences) or tuple(issuers[:1])
        self._keys: dict[str, PublicKey] = {}

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        """None where the token is not one of ours; raises InvalidToken where it is and does not hold."""
        import jwt

        unverified = unverified_claims(token)
        if unverified is None or unverified.get("iss") not in self._issuers | {LEGACY_ISSUER}:
            return None
        try:
            claims = self._verify(token)
        except jwt.PyJWTError as failure:
            raise InvalidToken(_words(failure)) from failure
        if claims["iss"] == LEGACY_ISSUER:
            return await self._legacy(token, claims, tuple(audiences))
        return await self._bound(claims, tuple(audiences))

    def _verify(self, token: str) -> Obj:
        import jwt

        from apiserver.authn import keys

        if not self._keys:
            self._keys = {keys.key_id(key): key for pem in self._pems for key in keys.public_keys(pem)}
        named = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
        failure: jwt.PyJWTError = jwt.InvalidSignatureError("no key verifies this token")
        for key in [named] if named is not None else list(self._keys.values()):
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[keys.algorithm(key)],
                    leeway=LEEWAY_SECONDS,
                    options={"verify_aud": False, "verify_sub": False, "verify_jti": False},
                )
            except jwt.InvalidSignatureError as mismatch:
                failure = mismatch
            except jwt.InvalidAlgorithmError as mismatch:
                failure = mismatch
        raise failure

    async def _bound(self, claims: Obj, wanted: tuple[str, ...]) -> Bearer:
        given = claims.get("aud", [])
        given = [given] if isinstance(given, str) else given
        matched = tuple(a for a in wanted or self._audiences if a in given)
        if not matched:
            raise InvalidToken(
                f"token audiences {_quoted(given)} is invalid for the target audiences {_quoted(wanted or self._audiences)}"
            )
        private = claims.get("kubernetes.io") or {}
        namespace, account = private.get("namespace", ""), private.get("serviceaccount") or {}
        references = [("serviceaccounts", namespace, account.get("name", ""), account.get("uid", ""))]
        for kind, plural in (("pod", "pods"), ("secret", "secrets")):
            if bound := private.get(kind):
                references.append((plural, namespace, bound.get("name", ""), bound.get("uid", "")))
        node = private.get("node")
        if node and "pod" not in private and "secret" not in private:
            references.append(("nodes", "", node.get("name", ""), node.get("uid", "")))
        await self._require(references)
        user = service_account_user(namespace, account["name"], account["uid"], extra=_extra(claims, private))
        return Bearer(user, matched, float(claims["exp"]), self._still(references))

    async def _legacy(self, token: str, claims: Obj, wanted: tuple[str, ...]) -> Bearer:
        namespace, name = claims.get(_LEGACY + "namespace", ""), claims.get(_LEGACY + "service-account.name", "")
        uid, secret_name = claims.get(_LEGACY + "service-account.uid", ""), claims.get(_LEGACY + "secret.name", "")
        secret = self._cluster.get("", "secrets", namespace, secret_name)
        if secret is None:
            secret = await self._cluster.get_live("", "secrets", namespace, secret_name)
        encoded = base64.b64encode(token.encode()).decode()
        if secret is None or (secret.get("data") or {}).get("token") != encoded:
            raise InvalidToken("service account token has been invalidated")
        if (secret["metadata"].get("labels") or {}).get(INVALID_SINCE):
            raise InvalidToken(
                f"the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked "
                "invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the "
                f"'{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            )
        await self._mark_used(secret)
        references = [
            ("serviceaccounts", namespace, name, uid),
            ("secrets", namespace, secret_name, secret["metadata"]["uid"]),
        ]
        await self._require(references)
        matched = tuple(a for a in wanted if a in self._audiences) if wanted else self._audiences
        if not matched:
            raise InvalidToken("a legacy token is valid for the API's own audiences only")
        return Bearer(service_account_user(namespace, name, uid), matched, float("inf"), self._still(references))

    async def _mark_used(self, secret: Obj) -> None:
        """The day of the last use, by which forgotten tokens are found; nobody waits for a second try."""
        meta, today = secret["metadata"], datetime.now(UTC).date().isoformat()
        labels = meta.get("labels") or {}
        if labels.get(LAST_USED) == today:
            return
        marked = {**secret, "metadata": {**meta, "labels": {**labels, LAST_USED: today}}}
        try:
            await self._cluster.update("", "secrets", marked)
        except errors.StatusError as failure:
            log.info("Could not mark secret %s/%s as used: %s", meta["namespace"], meta["name"], failure)

    async def _require(self, references: list[tuple[str, str, str, str]]) -> None:
        """Every object exists under its uid. Asks the store before it says no: the cache may be behind."""
        for plural, namespace, name, uid in references:
            found = self._cluster.get("", plural, namespace, name)
            if not _holds(found, uid):
                found = await self._cluster.get_live("", plural, namespace, name)
            if not _holds(found, uid):
                raise InvalidToken(f"{plural} {namespace}/{name} that the token is bound to is gone")

    def _still(self, references: list[tuple[str, str, str, str]]) -> Callable[[], bool]:
        get = self._cluster.get

        def check() -> bool:
            for plural, namespace, name, uid in references:
                found = get("", plural, namespace, name)
                if not _holds(found, uid):
                    return False
            return True

        return check


def _words(failure: Exception) -> str:
    """As upstream says it."""
    import jwt

    match failure:
        case jwt.ExpiredSignatureError():
            return "service account token has expired"
        case jwt.ImmatureSignatureError() if "(iat)" in str(failure):
            return "service account token is issued in the future"
        case jwt.ImmatureSignatureError():
            return "service account token is not valid yet"
        case jwt.InvalidSignatureError():
            return "go-jose/go-jose: error in cryptographic primitive"
    return str(failure)


def _holds(found: Obj | None, uid: str) -> bool:
    """There, the same one, and not past its deletion by more than the leeway a terminating pod has to say goodbye."""
    if found is None or found["metadata"].get("uid") != uid:
        return False
    deleted = found["metadata"].get("deletionTimestamp")
    return not deleted or time.time() < datetime.fromisoformat(deleted).timestamp() + LEEWAY_SECONDS


def _quoted(texts: Sequence[str]) -> str:
    return f"[{' '.join(json.dumps(text) for text in texts)}]"


def _extra(claims: Obj, private: Obj) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    if jti := claims.get("jti"):
        extra[_PREFIX + "credential-id"] = (f"JTI={jti}",)
    for kind in ("pod", "node"):
        if bound := private.get(kind):
            extra[f"{_PREFIX}{kind}-name"] = (bound.get("name", ""),)
            if bound.get("uid"):
                extra[f"{_PREFIX}{kind}-uid"] = (bound["uid"],)
    return extra


def service_account_user(
    namespace: str, name: str, uid: str = "", *, extra: dict[str, tuple[str, ...]] | None = None
) -> User:
    """The subject that a service account's requests come as."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", uid, groups, extra or {})
