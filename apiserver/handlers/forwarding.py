"""Requests passed on to a kubelet, a pod or an extension server, and their answers passed back piece by piece."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable

from apiserver import tracing
from apiserver.api import Api
from apiserver.backends import Answer, BackendError, Headers, Target
from apiserver.request import Request

log = logging.getLogger(__name__)

# What concerns one connection alone.
HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer",
     b"transfer-encoding", b"upgrade")
)  # fmt: skip
# What is said to this server alone: who asks, and as whom.
OURS = frozenset((b"host", b"authorization", b"expect", b"content-length"))
_IMPERSONATE = b"impersonate-"
_TOKEN = b"base64url.bearer.authorization.k8s.io."


def passed(request: Request, *, upgrade: bool = False) -> list[tuple[bytes, bytes]]:
    """A request's headers as those behind us may see them, the client's address added. Bodies are framed by `forward`."""
    dropped = OURS if upgrade else OURS | HOP | _named(request.header(b"connection"))
    kept = []
    known = b""
    for name, value in request.headers:
        if name == b"x-forwarded-for":
            known = value if not known else known + b", " + value
        elif name == b"sec-websocket-protocol":
            kept.append((name, _without_token(value)))
        elif name != tracing.HEADER and name not in dropped and not name.startswith(_IMPERSONATE):
            kept.append((name, value))
    kept.append((tracing.HEADER, tracing.onward(request)))
    client = request.scope.get("client")
    if client:
        address = str(client[0]).encode()
        kept.append((b"x-forwarded-for", known + b", " + address if known else address))
    return kept


def _named(connection: bytes) -> frozenset[bytes]:
    return frozenset(word.strip().lower() for word in connection.split(b",")) if connection else frozenset()


def _without_token(protocols: bytes) -> bytes:
    """Browsers hide a token among the protocols that they offer."""
    if _TOKEN not in protocols:
        return protocols
    return b", ".join(word.strip() for word in protocols.split(b",") if not word.strip().startswith(_TOKEN))


async def forward(api: Api, request: Request, target: Target, path: str, *, headers: Headers) -> Answer:
    """Send the request on and give the answer once its head is there: the caller passes it back and closes it.

    A client that leaves ends it all. Raises BackendError."""
    length = request.header(b"content-length")
    chunked = bool(request.header(b"transfer-encoding"))
    framing = [(b"transfer-encoding", b"chunked")] if chunked else [(b"content-length", length)] if length else []
    body = _body(request) if chunked or length not in (b"", b"0") else None
    leave = asyncio.current_task()
    on_disconnect = request.scope.get("extensions", {}).get("pocketkube.disconnect")
    if on_disconnect is not None and leave is not None:
        on_disconnect(leave.cancel, stopping=False)
    return await api.backends.send(target, request.method, path, headers=[*headers, *framing], body=body)


async def _body(request: Request) -> AsyncIterator[bytes]:
    """Raises BackendError where the client breaks off: what came of the body must not look like all of it."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BackendError("the client went away")
        if body := message.get("body"):
            yield body
        if not message.get("more_body"):
            return


def returned(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's headers as the client gets them."""
    found = list(headers)
    named = _named(next((value for name, value in found if name == b"connection"), b""))
    return [(n, v) for n, v in found if n not in HOP and n not in named and n != b"date"]


def _own(request: Request, shown: Headers) -> list[tuple[bytes, bytes]]:
    """What every answer of this server has, where the other one has not said it."""
    said = {name for name, _ in shown}
    return [(name, value) for name, value in request.answer_headers if name not in said]


async def respond(request: Request, answer: Answer, *, headers: Headers | None = None, endless: bool = False) -> None:
    """Pass the answer back as it comes. `endless`: it is a stream that ends when this server stops."""
    extensions = request.scope.get("extensions", {})
    on_disconnect = extensions.get("pocketkube.disconnect")
    if on_disconnect is not None:
        on_disconnect(answer.stop, stopping=endless)
    shown = returned(answer.headers) if headers is None else headers
    await request.send(
        {"type": "http.response.start", "status": answer.status, "headers": [*shown, *_own(request, shown)]}
    )
    try:
        async for piece in answer.pieces():
            await request.send({"type": "http.response.body", "body": piece, "more_body": True})
    except BackendError as failure:
        log.info("the answer to %s %s was cut off: %s", request.method, request.path, failure)
        if "pocketkube.cut_off" not in extensions:
            raise
        extensions["pocketkube.cut_off"]()
        return
    await request.send({"type": "http.response.body", "body": b""})
