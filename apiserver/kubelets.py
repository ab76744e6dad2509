"""The way to a node's kubelet: where it listens, our client certificate, and bytes in both directions."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from apiserver.request import Request
from pocketkube.api.meta import errors
from pocketkube.base import tls

log = logging.getLogger(__name__)

Obj = dict[str, Any]

CONNECT_SECONDS = 10.0
HEAD_SECONDS = 30.0
_HEAD_LIMIT = 1 << 16
_CHUNK = 1 << 16
_HOP = (b"host", b"authorization", b"content-length", b"x-forwarded-for", b"cookie")


class Target(NamedTuple):
    """Where a connection goes. `context` is None for plain HTTP."""

    host: str
    port: int
    context: ssl.SSLContext | None

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self, path: str) -> str:
        return f"{'https' if self.context else 'http'}://{self.authority}{path}"


@dataclass
class Kubelets:
    """Certificates are file paths; without a `ca` a kubelet's certificate is not checked, as upstream."""

    certificate: str = ""
    key: str = ""
    ca: str = ""
    address_types: Sequence[str] = ("InternalIP",)
    _context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        if self._context is None:
            context = tls.client_context(self.ca or None, self.certificate or None, self.key or None)
            if not self.ca:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._context = context
        return self._context

    def target(self, node: Obj) -> Target:
        """Where a node's kubelet listens. Raises ServiceUnavailable for a node without an address."""
        status = node.get("status") or {}
        endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or [])}
        for kind in ("InternalIP", *self.address_types):
            if address := addresses.get(kind):
                return Target(address, int(endpoint.get("Port") or 10250), self.context)
        name = node["metadata"]["name"]
        raise errors.ServiceUnavailable(f"no preferred addresses found for node {name!r}; known addresses: []")


def address(path: Sequence[str], query: Sequence[tuple[str, str]] | Mapping[str, str] = ()) -> str:
    """`/exec/default/web/c?command=ls` of its parts."""
    text = "/" + "/".join(quote(part, safe="") for part in path)
    return f"{text}?{urlencode(query)}" if query else text


async def connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises ServiceUnavailable where nobody answers."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(target.host, target.port, ssl=target.context, limit=_HEAD_LIMIT)
    except (OSError, TimeoutError) as failure:
        why = str(failure) or "timed out"
        raise errors.StatusError(
            f"error dialing backend: dial tcp {target.authority}: {why}", code=500, reason="InternalError"
        ) from None


async def tunnel(request: Request, target: Target, path: str) -> bytes | None:
    """Pass an upgrade request on and become a pipe. None when the pipe has ended; the raw answer where it was refused."""
    hijack = request.scope.get("extensions", {}).get("pocketkube.upgrade")
    if hijack is None:
        raise errors.BadRequest("Upgrade request required")
    reader, writer = await connect(target)
    try:
        writer.write(_head(request, target, path))
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0] + b" ":
            return head + await _refusal(reader, head)
        theirs, ours = await hijack(head)
        try:
            await _pipe(theirs, ours, reader, writer)
        finally:
            ours.close()
        return None
    except (
        TimeoutError,
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ConnectionError,
        ssl.SSLError,
    ) as failure:
        raise errors.InternalError(f"error dialing backend: {failure or 'the connection was closed'}") from None
    finally:
        writer.close()


def _head(request: Request, target: Target, path: str) -> bytes:
    lines = [f"{request.method} {path} HTTP/1.1\r\nHost: {target.authority}\r\n".encode()]
    lines += [b"%b: %b\r\n" % (name, value) for name, value in request.headers if name not in _HOP]
    return b"".join((*lines, b"\r\n"))


async def _refusal(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """The body of an answer that is no upgrade, as far as it comes at once."""
    length = next(
        (line.split(b":", 1)[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b""
    )
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            return await (reader.readexactly(min(int(length), _HEAD_LIMIT)) if length else reader.read(_HEAD_LIMIT))
    except (TimeoutError, asyncio.IncompleteReadError):
        return b""


async def _pipe(
    one_in: asyncio.StreamReader,
    one_out: asyncio.StreamWriter,
    two_in: asyncio.StreamReader,
    two_out: asyncio.StreamWriter,
) -> None:
    """Copy both ways until either side has ended: what it sent before has gone out by then."""
    there = asyncio.create_task(_copy(one_in, two_out), name="tunnel to the kubelet")
    back = asyncio.create_task(_copy(two_in, one_out), name="tunnel from the kubelet")
    try:
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
    finally:
        there.cancel()
        back.cancel()
        await asyncio.gather(there, back, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, ssl.SSLError):
        log.debug("a tunnel was cut")
