"""`kubectl proxy`: the API on a local port, with our credentials and without TLS, for browsers and scripts."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Mapping

import httpx

from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.session import Session

HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "proxy-authorization",
    "proxy-connection",
}
LOCAL = r"^localhost$,^127\.0\.0\.1$,^\[::1\]$"
HEAD_BYTES = 1 << 16


def arguments(parser: Parser) -> None:
    parser.add_argument("-p", "--port", type=int, default=8001)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--api-prefix", default="/")
    parser.add_argument("--accept-hosts", default=LOCAL, help="patterns of Host headers that are answered")
    parser.add_argument("--accept-paths", default="^.*")
    parser.add_argument("--reject-paths", default="^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach")
    parser.add_argument("--reject-methods", default="^$")
    parser.add_argument("--disable-filter", action="store_true")


async def run(session: Session, args: argparse.Namespace) -> int:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one(session, args, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, args.address, args.port, limit=HEAD_BYTES)
    except OSError as error:
        raise CommandError(f"listen tcp {args.address}:{args.port}: {error.strerror}") from error
    host, port = server.sockets[0].getsockname()[:2]
    session.say(f"Starting to serve on {host}:{port}")
    async with server:
        await server.serve_forever()
    return 0


async def _one(
    session: Session, args: argparse.Namespace, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """One request and its answer; whether the connection goes on."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    if not (args.disable_filter or _allowed(args, method, path, headers)):
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nContent-Type: text/plain\r\n\r\nForbidden")
        await writer.drain()
        return True
    inner = path[len(args.api_prefix.rstrip("/")) :] if path.startswith(args.api_prefix.rstrip("/")) else path
    kept = {
        n: v
        for n, v in headers.items()
        if n not in HOP_BY_HOP and n not in ("host", "content-length", "accept-encoding")
    }
    try:
        async with session.client.stream(method, inner or "/", body=body, headers=kept, check=False) as answer:
            await _pass(answer, writer)
    except httpx.HTTPError as error:
        text = str(error).encode() or b"no answer"
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        await writer.drain()
    return headers.get("connection", "").lower() != "close"


async def _pass(answer: httpx.Response, writer: asyncio.StreamWriter) -> None:
    """In chunks as they come, so that watches and logs flow."""
    head = [f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}"]
    head += [
        f"{n}: {v}"
        for n, v in answer.headers.items()
        if n.lower() not in HOP_BY_HOP | {"content-length", "content-encoding"}
    ]
    writer.write("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode("latin-1"))
    async for piece in answer.aiter_bytes():
        if piece:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _allowed(args: argparse.Namespace, method: str, path: str, headers: Mapping[str, str]) -> bool:
    def any_of(patterns: str, text: str) -> bool:
        return any(re.search(pattern, text) for pattern in patterns.split(",") if pattern)

    host = re.sub(r":\d+$", "", headers.get("host", ""))
    if any_of(args.reject_paths, path) or any_of(args.reject_methods, method):
        return False
    return any_of(args.accept_paths, path) and any_of(args.accept_hosts, host)


COMMAND = Command(help="Run a proxy to the Kubernetes API server", run=run, arguments=arguments)
