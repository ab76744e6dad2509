"""Tokens that another server judges: a TokenReview is posted to it, and what it answers is kept for a while."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from apiserver.authn.bearer import Bearer, BearerAuthenticator, InvalidToken
from apiserver.interfaces import User
from apiserver.remote import Remote, RemoteFailed

log = logging.getLogger(__name__)

Obj = dict[str, Any]

_KEPT = 16384


class WebhookTokens(BearerAuthenticator):
    """A `BearerAuthenticator`. `audiences` are the API's own; `seconds` is how long an answer is kept."""

    def __init__(
        self,
        remote: Remote,
        *,
        version: str = "v1beta1",
        seconds: float = 120.0,
        audiences: Sequence[str] = (),
        now: Callable[[], float] = time.time,
    ):
        if version not in ("v1", "v1beta1"):
            raise ValueError(
                f"unsupported webhook authenticator version {version!r}, supported versions are v1, v1beta1"
            )
        self._remote, self._version, self._seconds = remote, version, seconds
        self._audiences, self._now = tuple(audiences), now
        self._answers: dict[bytes, tuple[Bearer | None, float]] = {}

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        """None where the other server does not know the token. Raises InvalidToken with its error."""
        wanted = tuple(audiences) or self._audiences
        key = hashlib.sha256("\0".join((token, *wanted)).encode()).digest()
        known = self._answers.get(key)
        if known is not None and self._now() < known[1]:
            return known[0]
        bearer = await self._ask(token, wanted)
        if len(self._answers) >= _KEPT:
            self._answers.clear()
        self._answers[key] = (bearer, self._now() + self._seconds)
        return bearer

    async def close(self) -> None:
        await self._remote.close()

    async def _ask(self, token: str, wanted: tuple[str, ...]) -> Bearer | None:
        spec: Obj = {"token": token}
        if wanted:
            spec["audiences"] = list(wanted)
        review = {
            "apiVersion": f"authentication.k8s.io/{self._version}",
            "kind": "TokenReview",
            "metadata": {"creationTimestamp": None},
            "spec": spec,
            "status": {"user": {}},
        }
        try:
            answer = await self._remote.post(review)
        except RemoteFailed as failure:
            log.error("Failed to make webhook authenticator request: %s", failure)
            raise InvalidToken(str(failure)) from failure
        status = answer.get("status") or {}
        if not status.get("authenticated"):
            if status.get("error"):
                raise InvalidToken(str(status["error"]))
            return None
        given = tuple(status.get("audiences") or ())
        # A server that knows nothing of audiences has judged the token for the API itself.
        matched = tuple(a for a in wanted if a in given) if given else tuple(a for a in wanted if a in self._audiences)
        if wanted and not matched:
            return None
        return Bearer(_user(status.get("user") or {}), matched, self._now() + self._seconds)


def _user(info: Obj) -> User:
    groups = tuple(dict.fromkeys([*(info.get("groups") or ()), "system:authenticated"]))
    extra = {key: tuple(values or ()) for key, values in (info.get("extra") or {}).items()}
    return User(info.get("username") or "", info.get("uid") or "", groups, extra)
