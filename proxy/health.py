"""What probes and monitoring ask of the proxy: /healthz and /livez on one port, /metrics and /proxyMode on another."""

from __future__ import annotations

import asyncio

import orjson

from pocketkube.api.meta import times
from pocketkube.base import serving
from pocketkube.base.health import Answer, Health, shown_metrics
from proxy.table import Syncer


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host or "0.0.0.0", int(port)


async def serve_health(address: str, syncer: Syncer, *, stop: asyncio.Event) -> None:
    """Healthy once the table has been applied; the answer tells when that was last."""
    last = {"at": ""}
    syncer.on_sync = lambda: last.update(at=times.now_rfc3339())

    def state() -> Answer:
        body = orjson.dumps({"lastUpdated": last["at"], "currentTime": times.now_rfc3339(), "nodeEligible": True})
        return Answer(200 if last["at"] else 503, body, "application/json")

    host, port = split(address)
    await serving.serve(Health(open={"/healthz": state, "/livez": state}), host=host, port=port, stop=stop)


async def serve_metrics(address: str, mode: str, *, stop: asyncio.Event) -> None:
    app = Health(open={"/proxyMode": lambda: Answer(200, mode.encode()), "/metrics": shown_metrics})
    host, port = split(address)
    await serving.serve(app, host=host, port=port, stop=stop)
