"""The health server on 10257: /healthz, /livez and /readyz for anyone, /metrics for those the API server allows."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from controller.options import Options
from pocketkube.api.meta import errors
from pocketkube.base import metrics, serving, tls
from pocketkube.client.resources import SUBJECTACCESSREVIEWS, TOKENREVIEWS
from pocketkube.client.rest import Client

Message = MutableMapping[str, Any]
_OPEN = {"/healthz", "/livez", "/readyz", "/healthz/leaderElection"}


class Health:
    def __init__(self, client: Client, options: Options):
        self._client, self._options = client, options

    async def serve(self, stop: asyncio.Event) -> None:
        host, port = self._options.bind_address, self._options.secure_port
        await serving.serve(self._app, host=host, port=port, tls=self._tls(), stop=stop)

    def _tls(self) -> ssl.SSLContext:
        if self._options.tls_cert_file:
            return tls.server_context(self._options.tls_cert_file, self._options.tls_private_key_file)
        with tempfile.TemporaryDirectory() as folder:
            cert, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
            key.touch(mode=0o600)
            certificate, private = self_signed("localhost")
            cert.write_bytes(certificate)
            key.write_bytes(private)
            return tls.server_context(cert, key)

    async def _app(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        code, body = await self._answer(scope)
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Message) -> tuple[int, bytes]:
        path = scope["path"]
        if path in _OPEN:
            return 200, b"ok"
        headers = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        try:
            allowed = scheme.lower() == "bearer" and await self._may(token, scope["method"].lower(), path)
        except (errors.StatusError, httpx.HTTPError):
            return 503, b"the API server cannot say who may see this"
        if not allowed:
            return (403, b"Forbidden") if token else (401, b"Unauthorized")
        return (200, metrics.render()) if path == "/metrics" else (404, b"404 page not found")

    async def _may(self, token: str, verb: str, path: str) -> bool:
        """Asks the API server who the token is and whether they may."""
        review: dict[str, Any] = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        status = (await self._client.create(TOKENREVIEWS, review))["status"]
        if not status.get("authenticated"):
            return False
        user = status["user"]
        asked = {"path": path, "verb": verb}
        spec = {"user": user["username"], "groups": user.get("groups") or [], "nonResourceAttributes": asked}
        access = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return bool((await self._client.create(SUBJECTACCESSREVIEWS, access))["status"].get("allowed"))


def self_signed(name: str) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM, good for a year: what serves health where no certificate was given."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private
