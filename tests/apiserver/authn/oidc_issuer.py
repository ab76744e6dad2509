"""A little OpenID Connect issuer over TLS: publishes its configuration and keys, signs ID tokens, rotates its keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver.authn import keys
from tests.apiserver.https_server import Call, HttpsServer

Obj = dict[str, Any]
CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/keys"


class OidcIssuer:
    """`published` are the keys that verifiers find; `url` is its name once it serves."""

    def __init__(self, folder: Path) -> None:
        self.server = HttpsServer(folder)
        self.name = ""  # what the configuration claims to be; "" is the truth
        self.published: list[Any] = []
        self.key: Any = None
        self.rotate()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def ca(self) -> str:
        return self.server.pki.ca.read_text()

    def rotate(self, *, elliptic: bool = False) -> None:
        """A new key signs, and it alone is published."""
        if elliptic:
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.published = [self.key.public_key()]

    def asked(self, path: str) -> int:
        return sum(call.path == path for call in self.server.seen)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OidcIssuer]:
        self.server.replies[CONFIGURATION] = self._configuration
        self.server.replies[KEYS] = lambda call: (200, {"keys": [keys.jwk(key) for key in self.published]})
        async with self.server.serving():
            yield self

    def _configuration(self, call: Call) -> tuple[int, Obj]:
        return 200, {"issuer": self.name or self.url, "jwks_uri": self.url + KEYS}

    def token(self, *, key: Any = None, headers: Obj | None = None, **claims: Any) -> str:
        """A token for `client`, by ann, for an hour; a claim given as None is left out."""
        now = int(time.time())
        whole = {"iss": self.url, "aud": "client", "sub": "ann", "iat": now, "exp": now + 3600, **claims}
        whole = {name: value for name, value in whole.items() if value is not None}
        signing = key or self.key
        kid = {"kid": keys.key_id(signing.public_key())}
        return jwt.encode(whole, signing, algorithm=keys.algorithm(signing), headers={**kid, **(headers or {})})
