"""Bootstrap tokens, `<id>.<secret>`: each a Secret `bootstrap-token-<id>` in kube-system that lets a new node ask for its identity."""

from __future__ import annotations

import base64
import hmac
import logging
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from apiserver.authn.bearer import Bearer, BearerAuthenticator, InvalidToken
from apiserver.interfaces import Cluster, User

log = logging.getLogger(__name__)

Obj = dict[str, Any]

TYPE = "bootstrap.kubernetes.io/token"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens(BearerAuthenticator):
    """A `BearerAuthenticator` over the Secrets of kube-system."""

    def __init__(self, cluster: Cluster, *, now: Callable[[], float] = time.time):
        self._cluster = cluster
        self._now = now

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Bearer | None:
        found = _TOKEN.fullmatch(token)
        if not found:
            return None
        try:
            return await self._bearer(found, audiences)
        except InvalidToken as invalid:  # whoever tries secrets learns nothing about them
            log.info("Refused a bootstrap token: %s", invalid)
            return None

    async def _bearer(self, found: re.Match[str], audiences: Sequence[str]) -> Bearer:
        name = f"bootstrap-token-{found[1]}"
        secret = self._cluster.get("", "secrets", "kube-system", name)
        if secret is None:
            secret = await self._cluster.get_live("", "secrets", "kube-system", name)
        if secret is None:
            raise InvalidToken(f"no bootstrap token {found[1]}")
        expires = self._check(secret, token_id=found[1], token_secret=found[2])
        groups = ("system:bootstrappers", *_extra_groups(secret), "system:authenticated")
        user = User(f"system:bootstrap:{found[1]}", groups=tuple(dict.fromkeys(groups)))
        return Bearer(user, tuple(audiences), expires, self._unchanged(name, secret))

    def _check(self, secret: Obj, *, token_id: str, token_secret: str) -> float:
        """Unix seconds at which the token ends. Raises InvalidToken."""
        if secret.get("type") != TYPE or "deletionTimestamp" in secret["metadata"]:
            raise InvalidToken("the secret is no bootstrap token or is being deleted")
        same = hmac.compare_digest(_value(secret, "token-secret").encode(), token_secret.encode())
        if not same or _value(secret, "token-id") != token_id:
            raise InvalidToken("the bootstrap token's secret does not match")
        if _value(secret, "usage-bootstrap-authentication") != "true":
            raise InvalidToken("the bootstrap token is not for authentication")
        try:
            expiration = _value(secret, "expiration")
            expires = datetime.fromisoformat(expiration).timestamp() if expiration else float("inf")
        except ValueError as broken:
            raise InvalidToken("the bootstrap token's expiration cannot be read") from broken
        if self._now() >= expires:
            raise InvalidToken("the bootstrap token has expired")
        return expires

    def _unchanged(self, name: str, secret: Obj) -> Callable[[], bool]:
        version = secret["metadata"].get("resourceVersion")

        def check() -> bool:
            now = self._cluster.get("", "secrets", "kube-system", name)
            return now is not None and now["metadata"].get("resourceVersion") == version

        return check


def _value(secret: Obj, name: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(name, "")).decode(errors="replace")


def _extra_groups(secret: Obj) -> list[str]:
    groups = [g for g in _value(secret, "auth-extra-groups").split(",") if g]
    if any(not _GROUP.fullmatch(g) for g in groups):
        raise InvalidToken("the bootstrap token's groups must start with system:bootstrappers:")
    return sorted(groups)
