"""Large answers go out compressed to clients that can read gzip; the work is done beside the event loop."""

from __future__ import annotations

import asyncio
import zlib

from apiserver.request import Request, Response
from apiserver.tails import Tail

FROM_BYTES = 128 * 1024  # upstream's threshold: below, packing costs more than it saves
_LEVEL = 1  # upstream's: most of the gain for the least work
_GZIP = 31  # window bits that make zlib write gzip's frame


def wanted(request: Request, response: Response) -> bool:
    """A resource's answer that is worth it and that nobody has packed yet."""
    if response.size < FROM_BYTES or not request.info.is_resource or request.info.subresource == "proxy":
        return False
    if any(name == b"content-encoding" for name, _ in response.headers or ()):
        return False
    return accepts_gzip(request.header(b"accept-encoding"))


def accepts_gzip(header: bytes) -> bool:
    """`gzip` or `*` among the codings, unless refused by `;q=0`."""
    for coding in header.lower().split(b","):
        name, _, quality = coding.partition(b";")
        if name.strip() in (b"gzip", b"*") and quality.replace(b" ", b"") not in (b"q=0", b"q=0.0"):
            return True
    return False


async def packed(response: Response) -> Response:
    """The same, packed: once for answers that share their tail and come at one time, as long as one of them is kept."""
    body = await (
        asyncio.to_thread(_gzip, response.body) if response.tail is None else _shared(response.body, response.tail)
    )
    headers = [*(response.headers or ()), (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    return Response(body, status=response.status, content_type=response.content_type, headers=headers)


async def _shared(body: bytes, tail: Tail) -> bytes:
    if tail.packing is None or tail.packing[0] != body:
        tail.packing = body, asyncio.create_task(asyncio.to_thread(_gzip, body, tail.data))
    return await asyncio.shield(tail.packing[1])  # who leaves does not take it away from the others


def _gzip(*data: bytes | bytearray) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return b"".join([*map(packer.compress, data), packer.flush()])
