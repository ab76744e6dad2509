"""The scheduler's own small server: /healthz, /livez, /readyz for anyone, /metrics for whom the API server allows it."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from pocketkube.api.meta import errors
from pocketkube.base import metrics
from pocketkube.base.tls import server_context
from pocketkube.client.resources import SUBJECTACCESSREVIEWS, TOKENREVIEWS
from pocketkube.client.rest import Client

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

REMEMBER_SECONDS = 10.0


class Health:
    """An ASGI application. `ready()` tells whether the caches are filled; `measure()` is called before metrics are shown."""

    def __init__(self, client: Client, *, ready: Callable[[], bool], measure: Callable[[], None]):
        self._client, self._ready, self._measure = client, ready, measure
        self._allowed: dict[bytes, tuple[int, float]] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        path = scope["path"]
        if path in ("/healthz", "/livez"):
            await _answer(send, 200, b"ok")
        elif path == "/readyz":
            await _answer(send, *((200, b"ok") if self._ready() else (500, b"informers not synced")))
        elif path == "/metrics":
            await self._metrics(scope, send)
        else:
            await _answer(send, 404, b"404 page not found\n")

    async def _metrics(self, scope: Scope, send: Send) -> None:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        code = await self._verdict(headers.get(b"authorization", b""), scope["path"])
        if code != 200:
            await _answer(send, code, b"Unauthorized\n" if code == 401 else b"Forbidden\n")
            return
        self._measure()
        await _answer(send, 200, metrics.render(), metrics.CONTENT_TYPE.encode())

    async def _verdict(self, authorization: bytes, path: str) -> int:
        """200, 401 or 403 for the bearer of a token, by the API server's reviews; remembered for a moment."""
        if not authorization.startswith(b"Bearer "):
            return 401
        known = self._allowed.get(authorization)
        if known is not None and monotonic() - known[1] < REMEMBER_SECONDS:
            return known[0]
        try:
            code = await self._review(authorization[7:].decode(errors="replace").strip(), path)
        except (errors.StatusError, httpx.HTTPError, OSError):
            return 403
        self._allowed = {authorization: (code, monotonic()), **dict([*self._allowed.items()][:63])}
        return code

    async def _review(self, token: str, path: str) -> int:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": {"token": token},
        }
        status = (await self._client.create(TOKENREVIEWS, review)).get("status") or {}
        if not status.get("authenticated"):
            return 401
        user = status["user"]
        access = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {
                "user": user.get("username", ""),
                "groups": user.get("groups") or [],
                "nonResourceAttributes": {"path": path, "verb": "get"},
            },
        }
        verdict = (await self._client.create(SUBJECTACCESSREVIEWS, access)).get("status") or {}
        return 200 if verdict.get("allowed") else 403


async def _answer(send: Send, code: int, body: bytes, content_type: bytes = b"text/plain; charset=utf-8") -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def own_context() -> ssl.SSLContext:
    """A TLS context with a certificate made on the spot, as upstream's components do when they are given none."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        cert_file, key_file = Path(folder, "cert"), Path(folder, "key")
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return server_context(cert_file, key_file)
