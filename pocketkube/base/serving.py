"""Serve an ASGI application over HTTP/1.1 and TLS until told to stop, then let what is under way end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from pocketkube.base import tasks
from pocketkube.base.protocol import Protocol

log = logging.getLogger(__name__)

Asgi = Callable[..., Any]

KEEP_ALIVE_SECONDS = 90.0
STALL_SECONDS = 120.0  # in which a client must take a piece of what is written to it
HANDSHAKE_SECONDS = 32.0  # upstream's, for clients on machines that have much else to do
SWEEP_SECONDS = 15.0


async def serve(
    app: Asgi,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    stop: asyncio.Event,
    on_ready: Callable[[], None] | None = None,
    shutdown_seconds: float = 10,
    reuse_port: bool = False,
) -> None:
    """Serve until `stop` is set; `on_ready` is called once connections are accepted. Raises OSError if it cannot listen.

    Then: no new connections, idle and upgraded ones closed, streams told to end, and what runs on after `shutdown_seconds` cancelled.
    A scope's "extensions" hold:
      pocketkube.tls         {"peer_certificate": the verified client certificate as DER, or None}
      pocketkube.disconnect  on_disconnect(callback, *, stopping=True): called if the client leaves, or the server stops
      pocketkube.cut_off     cut_off(): ends the connection, for a response that cannot be completed
      pocketkube.body        whole_body(): the whole body, if it has come and none of it was received; otherwise None
      pocketkube.respond     respond(status, headers, body): a whole response in one write; False where it has to be sent
      pocketkube.upgrade     for requests with `Connection: Upgrade`: async hijack(head: bytes) -> (reader, writer)
    """
    config = Config(
        app, http=Protocol, ws="none", lifespan="off", log_config=None, interface="asgi3", proxy_headers=False
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Protocol(config, state, {}, loop),
        host,
        port,
        ssl=tls,
        backlog=2048,
        reuse_port=reuse_port or None,
        ssl_handshake_timeout=HANDSHAKE_SECONDS if tls is not None else None,
    )
    sweeper = asyncio.create_task(_sweep(state), name="idle connections")
    try:
        if on_ready is not None:
            on_ready()
        await stop.wait()
    finally:
        server.close()
        await tasks.cancel(sweeper)
        await _drain(state, shutdown_seconds)


async def _sweep(state: ServerState) -> None:
    """One timer for all connections, instead of one each."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = loop.time()
        for connection in list(state.connections):
            connection.close_if_idle(now - KEEP_ALIVE_SECONDS)
            connection.abort_if_stalled(now - STALL_SECONDS)


async def _drain(state: ServerState, seconds: float) -> None:
    for connection in list(state.connections):
        connection.shutdown()
    running = set(state.tasks)
    if running:
        _, running = await asyncio.wait(running, timeout=seconds)
    if running:
        log.warning("%d requests did not end within %g s and are cancelled", len(running), seconds)
        await tasks.cancel(*running)
    for connection in list(state.connections):
        connection.transport.abort()
