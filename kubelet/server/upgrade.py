"""Takes a connection over for streams: which protocol both sides speak, and the channels or the tunnel that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from kubelet.server import port_forward, remote_command
from kubelet.server.channels import SPDY_PROTOCOLS, WEBSOCKET_PROTOCOLS, Channels, SpdyChannels, WebSocketChannels
from kubelet.server.request import Hijack, Request
from kubelet.server.websocket import Tunnel, WebSocket, choose, handshake
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.base.spdy import Session, SpdyError

SPDY = "spdy/3.1"


class Wanted(TypedDict):
    """The standard streams that a client asks for, and whether they are a terminal."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def wanted_streams(request: Request) -> Wanted:
    """Both spellings: the API's own and the one that API servers use towards kubelets."""
    tty = request.flag("tty")
    return {
        "stdin": request.flag("stdin", "input"),
        "stdout": request.flag("stdout", "output"),
        "stderr": request.flag("stderr", "error") and not tty,
        "tty": tty,
    }


async def open_channels(request: Request, wanted: Wanted) -> Channels:
    """Of a remote command. Raises BadRequest, Forbidden; ConnectionError if the client leaves meanwhile."""
    hijack = request.hijack
    if request.upgrade == "websocket" and hijack:
        socket, protocol = await _websocket(request, hijack, WEBSOCKET_PROTOCOLS)
        return WebSocketChannels(socket, protocol)
    if request.upgrade == SPDY and hijack:
        protocol = choose(request.words("x-stream-protocol-version") or ["channel.k8s.io"], SPDY_PROTOCOLS) or ""
        if not protocol:
            raise errors.Forbidden(f"none of the offered protocols is supported: {', '.join(SPDY_PROTOCOLS)}")
        session = await _session(hijack, protocol)
        tasks.spawn("SPDY session", session.run())
        channels = SpdyChannels(session, protocol)
        try:
            await channels.open(remote_command.wanted_channels(**wanted))
        except (TimeoutError, SpdyError) as e:
            await session.close()
            raise ConnectionError(f"streams not made: {e}") from e
        return channels
    raise errors.BadRequest("Upgrade request required")


async def forward_ports(request: Request, connect: port_forward.Connect) -> None:
    """Until the client leaves. Raises BadRequest."""
    hijack = request.hijack
    if request.upgrade == SPDY and hijack:
        await port_forward.over_spdy(await _session(hijack, port_forward.SPDY_PROTOCOL), connect)
    elif request.upgrade == "websocket" and hijack:
        socket, protocol = await _websocket(request, hijack, port_forward.WEBSOCKET_PROTOCOLS)
        if protocol == port_forward.TUNNEL_PROTOCOL:
            tunnel = Tunnel(socket)
            await port_forward.over_spdy(Session(tunnel, tunnel, server=True), connect)
        else:
            stated = [int(p) for text in request.values("port", "ports") for p in text.split(",") if p]
            await port_forward.over_channels(socket, stated, connect)
    else:
        raise errors.BadRequest("Upgrade request required")


async def _websocket(request: Request, hijack: Hijack, protocols: Sequence[str]) -> tuple[WebSocket, str]:
    protocol = choose(request.words("sec-websocket-protocol") or [""], protocols)
    if protocol is None:
        raise errors.BadRequest("none of the offered subprotocols is supported")
    key = request.headers.get("sec-websocket-key", "").encode()
    return WebSocket(*await hijack(handshake(key, protocol))), protocol


async def _session(hijack: Hijack, protocol: str) -> Session:
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Connection: Upgrade",
        "Upgrade: SPDY/3.1",
        f"X-Stream-Protocol-Version: {protocol}",
    )
    return Session(*await hijack("\r\n".join([*lines, "", ""]).encode()), server=True)
