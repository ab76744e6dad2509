"""A real HTTPS server for tests, with a certificate of a throwaway CA: `replies` says what each path answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from tests import certificates

Obj = dict[str, Any]


class Call(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


Reply = Callable[[Call], tuple[int, Any]]  # (status, JSON or bytes)


class HttpsServer:
    """`seen` holds every request in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = certificates.make(folder)
        self.seen: list[Call] = []
        self.replies: dict[str, Reply] = {}
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HttpsServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pki.server, self.pki.server_key)
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=context)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    def kubeconfig(self, path: str = "/", **user: Any) -> Path:
        """A kubeconfig that names a path of this server."""
        cluster = {"server": self.url + path, "certificate-authority": str(self.pki.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        file = self.folder / "remote.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_calls(reader, writer, self._answer)

    async def _answer(self, call: Call) -> tuple[int, bytes]:
        self.seen.append(call)
        reply = self.replies.get(call.path.partition("?")[0])
        status, found = reply(call) if reply is not None else (404, {"error": "not found"})
        return status, found if isinstance(found, bytes) else orjson.dumps(found)


async def answer_calls(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Callable[[Call], Awaitable[tuple[int, bytes] | None]],
) -> None:
    """Every request of one connection, until its end, or until `answer` gives None."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *lines = head.decode().strip().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            method, path, _ = first.split(" ")
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            answered = await answer(Call(method, path, headers, body))
            if answered is None:
                return
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (answered[0], len(answered[1]), answered[1])
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()
