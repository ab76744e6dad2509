"""One kept-alive HTTP/1.1 connection, asked one request at a time."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Target(NamedTuple):
    url: str
    token: str


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    def __init__(self, target: Target):
        url = urlsplit(target.url)
        self._host, self._port = url.hostname or "127.0.0.1", url.port or (443 if url.scheme == "https" else 80)
        self._tls = _trusting() if url.scheme == "https" else None
        self._headers = f"Host: {self._host}:{self._port}\r\nAccept: application/json\r\n"
        if target.token:
            self._headers += f"Authorization: Bearer {target.token}\r\n"

    async def open(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=1 << 22)
        return self

    def close(self) -> None:
        self._writer.transport.abort()

    async def ask(self, method: str, path: str, body: bytes = b"", *, media: str = "application/json") -> Answer:
        status, headers = await self.begin(method, path, body, media=media)
        if headers.get("transfer-encoding") != "chunked":
            return Answer(status, await self._reader.readexactly(int(headers.get("content-length", 0))))
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        return Answer(status, b"".join(pieces))

    async def begin(
        self, method: str, path: str, body: bytes = b"", *, media: str = "application/json"
    ) -> tuple[int, dict[str, str]]:
        """Send a request and read the answer's head, names in lower case."""
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}"
        if body:
            head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def piece(self) -> bytes:
        """The next chunk of a chunked body; b"" at its end."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        return (await self._reader.readexactly(size + 2))[:-2]


def _trusting() -> ssl.SSLContext:
    """Measured servers have certificates of their own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
