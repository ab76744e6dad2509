"""HTTP probe: 200 to 399 is healthy; certificates are not checked; redirects to the same host are followed."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from kubelet.probes.result import Result

Obj = dict[str, Any]

BODY_LIMIT = 10 * 1024
REDIRECTS = 10
USER_AGENT = "kube-probe/1.37"


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def get(action: Obj, *, host: str, port: int, seconds: float) -> Result:
    """`action` is an httpGet body."""
    scheme = (action.get("scheme") or "HTTP").lower()
    named = f"[{host}]" if ":" in host else host
    path = action.get("path") or "/"
    url = f"{scheme}://{named}:{port}{path if path.startswith('/') else '/' + path}"
    headers = [(h["name"], h["value"]) for h in action.get("httpHeaders") or ()]
    try:
        async with asyncio.timeout(seconds):
            return await _follow(url, headers)
    except TimeoutError:
        return Result(
            False,
            f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
        )
    except (OSError, ValueError, EOFError) as e:
        return Result(False, f'Get "{url}": {_reason(e, host, port)}')


def _reason(failure: Exception, host: str, port: int) -> str:
    if isinstance(failure, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    return str(failure) or type(failure).__name__


async def _follow(url: str, headers: list[tuple[str, str]]) -> Result:
    first = urlsplit(url)
    for _ in range(REDIRECTS):
        status, location, body = await _exchange(url, headers)
        if status not in (301, 302, 303, 307, 308) or not location:
            break
        target = urljoin(url, location)
        if urlsplit(target).hostname != first.hostname:
            return _redirected(body)
        url = target
    else:
        return Result(False, f'Get "{url}": stopped after {REDIRECTS} redirects')
    if 300 <= status < 400:
        return _redirected(body)
    if 200 <= status < 300:
        return Result(True, body)
    return Result(False, f"HTTP probe failed with statuscode: {status}")


def _redirected(body: str) -> Result:
    return Result(True, f"Probe terminated redirects, Response body: {body}", doubtful=True)


async def _exchange(url: str, headers: list[tuple[str, str]]) -> tuple[int, str, str]:
    """(status, Location, start of the body)"""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=_unverified() if secure else None)
    try:
        writer.write(_request(parts.netloc, parts.path or "/", parts.query, headers))
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        length = int(fields.get("content-length") or BODY_LIMIT)
        body = await _body(reader, min(length, BODY_LIMIT))
        return status, fields.get("location", ""), body.decode(errors="replace")
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = b""
    try:
        while len(body) < limit and (chunk := await reader.read(limit - len(body))):
            body += chunk
    except OSError:
        pass  # a body cut short does not change the answer
    return body


def _request(host: str, path: str, query: str, headers: list[tuple[str, str]]) -> bytes:
    fields = {"Host": host, "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    extra = []
    for name, value in headers:
        known = next((k for k in fields if k.lower() == name.lower()), None)
        if known is not None:
            del fields[known]
        if value or known is None:
            extra.append((name, value))
    lines = [f"GET {path}{'?' + query if query else ''} HTTP/1.1"]
    lines += [f"{k}: {v}" for k, v in (*fields.items(), *extra) if v]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
