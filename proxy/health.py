"""What probes and monitoring ask of the proxy: /healthz and /livez on one port, /metrics and /proxyMode on another."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from pocketkube.api.meta import times
from pocketkube.base import metrics, serving
from pocketkube.base.clock import Clock
from proxy.table import Syncer

Scope = dict[str, Any]


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host or "0.0.0.0", int(port)


async def _reply(send: Any, code: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def serve_health(address: str, syncer: Syncer, *, clock: Clock, stop: asyncio.Event) -> None:
    """Healthy once the table has been applied; the answer tells when that was last."""
    last = {"at": ""}
    syncer.on_sync = lambda: last.update(at=times.now_rfc3339())

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = orjson.dumps({"lastUpdated": last["at"], "currentTime": times.now_rfc3339(), "nodeEligible": True})
        await _reply(send, 200 if last["at"] else 503, body, b"application/json")

    host, port = split(address)
    await serving.serve(app, host=host, port=port, stop=stop)


async def serve_metrics(address: str, mode: str, *, stop: asyncio.Event) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/proxyMode":
            await _reply(send, 200, mode.encode(), b"text/plain")
        elif scope["path"] == "/metrics":
            await _reply(send, 200, metrics.render(), b"text/plain; version=0.0.4")
        else:
            await _reply(send, 404, b"404 page not found\n", b"text/plain")

    host, port = split(address)
    await serving.serve(app, host=host, port=port, stop=stop)
