"""Service-account tokens for projected volumes: asked for once, kept, renewed when four fifths of their life are over."""

from __future__ import annotations

from typing import Any

import httpx

from pocketkube.api.meta import times
from pocketkube.base.clock import Clock
from pocketkube.client.resources import SERVICEACCOUNTS
from pocketkube.client.rest import Client

Obj = dict[str, Any]

MAX_AGE = 24 * 3600.0  # seconds after which any token is renewed
DEFAULT_LIFE = 3600


class Tokens:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._kept: dict[tuple[str, str, str, int], tuple[str, float]] = {}  # -> (token, when to renew it)

    async def get(self, pod: Obj, source: Obj) -> str:
        """The token of a serviceAccountToken projection. Raises what a request raises, if there is none to go on with."""
        audience, life = source.get("audience") or "", int(source.get("expirationSeconds") or DEFAULT_LIFE)
        meta = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        key = (meta["uid"], account, audience, life)
        known = self._kept.get(key)
        if known and self._clock.now().timestamp() < known[1]:
            return known[0]
        request: Obj = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": account, "namespace": meta["namespace"]},
            "spec": {
                "expirationSeconds": life,
                "audiences": [audience] if audience else [],
                "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]},
            },
        }
        if not audience:
            del request["spec"]["audiences"]
        try:
            made = await self._client.create(
                SERVICEACCOUNTS, request, meta["namespace"], name=account, subresource="token"
            )
        except (httpx.HTTPError, OSError):
            if known is None:
                raise
            return known[0]  # the API server is away: the old one is better than none
        status = made["status"]
        now = self._clock.now().timestamp()
        ends = times.parse(status["expirationTimestamp"]).timestamp()
        self._kept[key] = status["token"], now + min((ends - now) * 0.8, MAX_AGE)
        return str(status["token"])

    def forget(self, uid: str) -> None:
        for key in [k for k in self._kept if k[0] == uid]:
            del self._kept[key]
