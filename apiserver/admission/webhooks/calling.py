"""Calls webhooks over HTTPS: by URL, or a Service through its cluster address while TLS asks for `name.namespace.svc`."""

from __future__ import annotations

import asyncio
import base64
import ssl
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from apiserver import tracing
from apiserver.admission.webhooks.identities import STRANGER, Identities, Identity
from apiserver.interfaces import Cluster
from pocketkube.base import tasks
from pocketkube.client.config import ConfigError

if TYPE_CHECKING:
    import httpx

Obj = dict[str, Any]

_KEPT = 64
_MOST_BYTES = 3 * 1024 * 1024
_SHOWN_BYTES = 2048
_COMPLAINTS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


class CallFailed(Exception):
    """No usable answer came; the text is what the client reads."""


class Address(NamedTuple):
    """`url` is where to connect, `shown` how messages name it, `host` whom TLS and HTTP ask for; by `authority`, which has
    a port, we choose who we are."""

    url: str
    shown: str
    host: str
    authority: str


class WebhookCaller:
    """Keeps one connection pool for each certificate authority and identity."""

    def __init__(self, cluster: Cluster, identities: Identities = STRANGER):
        self._cluster, self._identities = cluster, identities
        self._clients: dict[tuple[Any, ...], httpx.AsyncClient] = {}

    async def call(self, config: Obj, body: Obj, *, seconds: float) -> bytes:
        """The answer's body, within `seconds`; the webhook is told whole ones. Raises CallFailed."""
        import httpx

        address = self._address(config, ceil(seconds))
        identity = self._identities.towards(address.authority)
        try:
            client = self._client(config.get("caBundle") or "", identity)
            async with asyncio.timeout(seconds):  # from end to end; httpx would count each step for itself
                response = await client.post(
                    address.url,
                    content=orjson.dumps(body),
                    headers=[
                        (b"host", address.host.encode()),
                        (b"content-type", b"application/json"),
                        (b"accept", b"application/json"),
                        (tracing.HEADER, tracing.onward()),
                        *(await identity.headers() if identity is not None else ()),
                    ],
                    timeout=None,
                    extensions={"sni_hostname": address.host.partition(":")[0]},
                )
        except TimeoutError as failure:
            raise CallFailed(f'failed to call webhook: Post "{address.shown}": context deadline exceeded') from failure
        except (httpx.HTTPError, ssl.SSLError, OSError, ConfigError) as failure:
            raise CallFailed(
                f'failed to call webhook: Post "{address.shown}": {failure or type(failure).__name__}'
            ) from failure
        if response.status_code >= 300:
            raise CallFailed(f"failed to call webhook: {_complaint(response.status_code, response.content)}")
        if len(response.content) > _MOST_BYTES:
            raise CallFailed(f"failed to call webhook: the answer is longer than {_MOST_BYTES} bytes")
        return response.content

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _client(self, ca_bundle: str, identity: Identity | None) -> httpx.AsyncClient:
        import httpx

        key = (ca_bundle, identity.name, *identity.stamp()) if identity is not None else (ca_bundle,)
        client = self._clients.get(key)
        if client is None:
            if len(self._clients) >= _KEPT:
                oldest = next(iter(self._clients))
                tasks.spawn("closing a webhook client", self._clients.pop(oldest).aclose())
            context = _context(ca_bundle)
            if identity is not None:
                identity.config.load_certificate(context)
            client = self._clients[key] = httpx.AsyncClient(verify=context, trust_env=False)
        return client

    def _address(self, config: Obj, seconds: int) -> Address:
        if url := config.get("url"):
            timed = f"{url}{'&' if '?' in url else '?'}timeout={seconds}s"
            host = urlsplit(url).netloc
            return Address(timed, timed, host, host)
        service = config.get("service") or {}
        namespace, name, port = service.get("namespace", ""), service.get("name", ""), service.get("port") or 443
        path = "/" + (service.get("path") or "").lstrip("/")
        host = f"{name}.{namespace}.svc"
        shown = f"https://{host}:{port}{path}?timeout={seconds}s"
        where = self._resolve(namespace, name, port, shown)
        return Address(f"https://{where}:{port}{path}?timeout={seconds}s", shown, host, f"{host}:{port}")

    def _resolve(self, namespace: str, name: str, port: int, shown: str) -> str:
        found = self._cluster.get("", "services", namespace, name)
        if found is None:
            raise CallFailed(f'failed to call webhook: Post "{shown}": service "{name}" not found')
        spec = found["spec"]
        if spec.get("type") == "ExternalName":
            return str(spec.get("externalName"))
        if not any(p.get("port") == port for p in spec.get("ports") or ()):
            raise CallFailed(
                f'failed to call webhook: Post "{shown}": no service port {port} found for service "{name}"'
            )
        address = spec.get("clusterIP") or ""
        if address in ("", "None"):
            raise CallFailed(f'failed to call webhook: Post "{shown}": service "{name}" has no cluster address')
        return f"[{address}]" if ":" in address else address


def _complaint(code: int, body: bytes) -> str:
    """What is told of an answer that is none: the message of a Status, or what upstream says of its code."""
    text = body[:_SHOWN_BYTES].decode(errors="replace")
    if text.startswith("{"):
        try:
            status = orjson.loads(body)
        except ValueError:
            status = None
        if isinstance(status, dict) and status.get("kind") == "Status" and status.get("message"):
            return str(status["message"])
    if code in _COMPLAINTS:
        return _COMPLAINTS[code]
    if code in (403, 406, 415) and text.strip():
        return text.strip()
    if code >= 500:
        return f"an error on the server ({orjson.dumps(text.strip() or 'unknown').decode()}) has prevented the request from succeeding"
    return f"the server responded with the status code {code} but did not return more information"


def _context(ca_bundle: str) -> ssl.SSLContext:
    try:
        pem = base64.b64decode(ca_bundle).decode("ascii") if ca_bundle else None
        context = ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError) as failure:
        raise CallFailed(f"failed to call webhook: unable to load root certificates: {failure}") from failure
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
