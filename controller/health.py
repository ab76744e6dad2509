"""The health server on 10257: /healthz, /livez and /readyz for anyone, /metrics for those the API server allows."""

from __future__ import annotations

import asyncio

from controller.options import Options
from pocketkube.base import serving, tls
from pocketkube.base.health import Health, ok, shown_metrics
from pocketkube.client.rest import Client
from pocketkube.client.reviews import PathReviews

OPEN = ("/healthz", "/livez", "/readyz", "/healthz/leaderElection")


async def serve(client: Client, options: Options, *, stop: asyncio.Event) -> None:
    app = Health(open=dict.fromkeys(OPEN, ok), closed={"/metrics": shown_metrics}, verdict=PathReviews(client).verdict)
    given = options.tls_cert_file
    context = tls.server_context(given, options.tls_private_key_file) if given else tls.own_context()
    await serving.serve(app, host=options.bind_address, port=options.secure_port, tls=context, stop=stop)
