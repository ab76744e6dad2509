"""Who is asking, and may they: client certificate or token, then a SubjectAccessReview. Answers are kept for a short while."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from kubelet.config import KubeletConfig
from pocketkube.api.meta import errors
from pocketkube.base.clock import Clock
from pocketkube.client import reviews
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

T = TypeVar("T")

TOKEN_SECONDS, ALLOWED_SECONDS, DENIED_SECONDS = 120.0, 300.0, 30.0
CACHE = 4096
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def subresources(path: str) -> tuple[str, ...]:
    """Which subresources of nodes allow a path, the finest first."""
    first = path.strip("/").split("/")[0]
    if first in ("stats", "metrics", "healthz", "configz", "checkpoint"):
        return (first,) if first in ("stats", "metrics", "checkpoint") else (first, "proxy")
    if first == "logs":
        return ("log",)
    if first in ("pods", "runningpods"):
        return ("pods", "proxy")
    return ("proxy",)


class Gate:
    """`admit` is called for every request but /healthz on the read-only port."""

    def __init__(self, config: KubeletConfig, client: Client, clock: Clock) -> None:
        self._config, self._client, self._clock = config, client, clock
        self._users: dict[bytes, tuple[User | None, float]] = {}
        self._answers: dict[tuple[User, str, str], tuple[bool, float]] = {}

    async def admit(self, *, method: str, path: str, authorization: str, certificate: bytes | None) -> User:
        """Raises Unauthorized or Forbidden."""
        user = await self._authenticate(authorization, certificate)
        if user is None:
            raise errors.Unauthorized
        if self._config.authorization_mode == "AlwaysAllow":
            return user
        verb = VERBS.get(method, method.lower())
        tried = subresources(path)
        for subresource in tried:
            if await self._allowed(user, verb, subresource):
                return user
        node = self._config.node_name
        raise errors.Forbidden(
            f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(tried)}]) on node {node}"
        )

    async def _authenticate(self, authorization: str, certificate: bytes | None) -> User | None:
        if certificate:
            return certificate_user(certificate)
        kind, _, token = authorization.partition(" ")
        if kind.lower() == "bearer" and token.strip():
            return await self._token_user(token.strip()) if self._config.webhook_authentication else None
        return ANONYMOUS if self._config.anonymous_auth else None

    async def _token_user(self, token: str) -> User | None:
        key = hashlib.sha256(token.encode()).digest()
        known = self._users.get(key)
        now = self._clock.monotonic()
        if known and known[1] > now:
            return known[0]
        found = await self._asked("TokenReview", reviews.user_of(self._client, token))
        user = None
        if found is not None:
            user = User(found.get("username", ""), tuple(found.get("groups") or ()), found.get("uid", ""))
        if len(self._users) >= CACHE:
            self._users.clear()
        self._users[key] = user, now + TOKEN_SECONDS
        return user

    async def _allowed(self, user: User, verb: str, subresource: str) -> bool:
        key = (user, verb, subresource)
        known = self._answers.get(key)
        now = self._clock.monotonic()
        if known and known[1] > now:
            return known[0]
        attributes = {
            "verb": verb,
            "version": "v1",
            "resource": "nodes",
            "subresource": subresource,
            "name": self._config.node_name,
        }
        info = {"username": user.name, "groups": list(user.groups), "uid": user.uid}
        asking = reviews.may(self._client, info, resourceAttributes=attributes)
        allowed = await self._asked("SubjectAccessReview", asking)
        if len(self._answers) >= CACHE:
            self._answers.clear()
        self._answers[key] = allowed, now + (ALLOWED_SECONDS if allowed else DENIED_SECONDS)
        return allowed

    async def _asked(self, kind: str, review: Awaitable[T]) -> T:
        try:
            return await review
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            log.warning("%s not answered: %s", kind, e)
            raise errors.InternalError(f"{kind} failed: {e}") from e


def certificate_user(der: bytes) -> User:
    """CN is the name, each O a group."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_der_x509_certificate(der).subject
    names = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return User(names[0] if names else "", (*groups, "system:authenticated"))
