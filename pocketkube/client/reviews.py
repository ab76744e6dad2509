"""What the API server says of others: who a token is, and whether somebody may do something."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import httpx

from pocketkube.api.meta import errors
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.resources import SUBJECTACCESSREVIEWS, TOKENREVIEWS
from pocketkube.client.rest import Client

Obj = dict[str, Any]

REMEMBER_SECONDS, REMEMBERED = 10.0, 64


async def user_of(client: Client, token: str) -> Obj | None:
    """The UserInfo of a token, None for one that is not good. Raises what a request raises."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {"token": token}}
    status = (await client.create(TOKENREVIEWS, review)).get("status") or {}
    return dict(status.get("user") or {}) if status.get("authenticated") else None


async def may(client: Client, user: Obj, **attributes: Mapping[str, str]) -> bool:
    """Whether `user`, a UserInfo, may do what `resourceAttributes=` or `nonResourceAttributes=` say. Raises what a request raises."""
    spec = {"user": user.get("username", ""), "groups": user.get("groups") or [], "uid": user.get("uid", "")}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {**spec, **attributes},
    }
    return bool(((await client.create(SUBJECTACCESSREVIEWS, review)).get("status") or {}).get("allowed"))


class PathReviews:
    """Who may see which path of a component. A verdict is remembered for a moment: monitoring asks every few seconds."""

    def __init__(self, client: Client, *, clock: Clock | None = None) -> None:
        self._client, self._clock = client, clock or SystemClock()
        self._known: dict[bytes, tuple[int, float]] = {}

    async def verdict(self, authorization: str, verb: str, path: str) -> int:
        """200, 401, 403, or 503 where the API server does not say."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return 401
        key = hashlib.sha256(f"{verb} {path} {token}".encode()).digest()
        code, until = self._known.get(key, (0, 0.0))
        if self._clock.monotonic() < until:
            return code
        try:
            code = await self._review(token.strip(), verb, path)
        except (errors.StatusError, httpx.HTTPError, OSError):
            return 503
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = code, self._clock.monotonic() + REMEMBER_SECONDS
        return code

    async def _review(self, token: str, verb: str, path: str) -> int:
        user = await user_of(self._client, token)
        if user is None:
            return 401
        return 200 if await may(self._client, user, nonResourceAttributes={"path": path, "verb": verb}) else 403
