"""Issues bound service-account tokens: a ServiceAccount object in, a signed JWT out. Stores nothing.

A token of 3607 seconds for a pod and the API itself is extended to a year, as upstream does for clients that never
re-read their token file; `warnafter` keeps the time it should have ended.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from apiserver.authn import keys

Obj = dict[str, Any]

WARN_ONLY_SECONDS = 3607
EXTENDED_SECONDS = 365 * 24 * 3600


class TokenIssuer:
    """Signs with one key. `audiences` are the API's own: what a token is for when nothing is asked. No token
    should be asked for that lasts more than `longest` seconds, 0 for any."""

    def __init__(
        self,
        key: bytes,
        issuer: str,
        audiences: Sequence[str] = (),
        *,
        extend: bool = True,
        longest: float = 0.0,
        now: Callable[[], float] = time.time,
    ):
        self.issuer = issuer
        self.audiences = tuple(audiences) or (issuer,)
        self._key = keys.private_key(key)
        self._algorithm = keys.algorithm(self._key)
        self._key_id = keys.key_id(self._key.public_key())
        self._extend = extend
        self.longest = int(longest)
        self._now = now

    def issue(
        self,
        service_account: Obj,
        *,
        audiences: Sequence[str] | None = None,
        expiration_seconds: int | None = 3600,
        bound_object: tuple[str, str, str] | None = None,
        node: tuple[str, str] | None = None,
    ) -> tuple[str, datetime]:
        """(token, expiry to report). `bound_object` is (kind Pod|Secret|Node, name, uid); `node` is (name, uid) of the pod's node."""
        import jwt

        started = int(self._now())
        wanted = tuple(audiences or ()) or self.audiences
        seconds = expiration_seconds or 3600
        claims = self._claims(service_account, wanted, started)
        private = claims["kubernetes.io"]
        if bound_object is not None:
            kind, name, uid = bound_object
            private[kind.lower()] = {"name": name, "uid": uid}
        if node is not None:
            private["node"] = {"name": node[0], "uid": node[1]} if node[1] else {"name": node[0]}
        claims["exp"] = started + seconds
        if self._extend and seconds == WARN_ONLY_SECONDS and "pod" in private and wanted == self.audiences:
            claims["exp"] = started + EXTENDED_SECONDS
            private["warnafter"] = started + seconds
        token = jwt.encode(claims, self._key, algorithm=self._algorithm, headers={"kid": self._key_id, "typ": None})
        return token, datetime.fromtimestamp(started + seconds, UTC)

    def _claims(self, service_account: Obj, audiences: tuple[str, ...], started: int) -> Obj:
        meta = service_account["metadata"]
        return {
            "aud": list(audiences),
            "iat": started,
            "nbf": started,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
            "kubernetes.io": {
                "namespace": meta["namespace"],
                "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
            },
        }
