"""Plain HTTP passed on to a kubelet or a pod and streamed back."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx

from apiserver.kubelets import CONNECT_SECONDS, Target
from apiserver.request import Request
from pocketkube.api.meta import errors

_DROPPED = frozenset(
    (b"host", b"authorization", b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"te", b"trailer",
     b"upgrade", b"proxy-authorization", b"cookie")
)  # fmt: skip
_KEPT_BACK = frozenset((b"connection", b"transfer-encoding", b"keep-alive", b"content-length", b"content-encoding"))


async def forward(
    request: Request, target: Target, path: str, *, headers: list[tuple[bytes, bytes]] | None = None
) -> httpx.Response:
    """Send the request on and give the answer once its head is there: the caller reads it and closes it.

    Raises ServiceUnavailable, 502 or 504 as a Status."""
    client = httpx.AsyncClient(
        verify=target.context or ssl.create_default_context(), timeout=httpx.Timeout(None, connect=CONNECT_SECONDS)
    )
    sent = headers if headers is not None else [(n, v) for n, v in request.headers if n not in _DROPPED]
    length = request.header(b"content-length")
    if length:
        sent = [*sent, (b"content-length", length)]
    has_body = bool(length) or bool(request.header(b"transfer-encoding"))
    made = client.build_request(
        request.method, target.url(path), headers=sent, content=_body(request) if has_body else None
    )
    try:
        answer = await client.send(made, stream=True)
    except httpx.HTTPError as failure:
        await client.aclose()
        raise errors.ServiceUnavailable(
            f"error trying to reach service: {failure or 'the connection failed'}"
        ) from None
    except BaseException:
        await client.aclose()
        raise
    answer.extensions["pocketkube.client"] = client
    return answer


async def _body(request: Request) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if body := message.get("body"):
            yield body
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


async def close(answer: httpx.Response) -> None:
    await answer.aclose()
    await answer.extensions["pocketkube.client"].aclose()


async def stream(request: Request, answer: httpx.Response, *, content_type: bytes | None = None) -> None:
    """Pass the answer back piece by piece as it comes."""
    headers = [(n.lower(), v) for n, v in answer.headers.raw if n.lower() not in _KEPT_BACK]
    if content_type is not None:
        headers = [(n, v) for n, v in headers if n != b"content-type"] + [(b"content-type", content_type)]
    if encoding := answer.headers.get("content-encoding"):
        headers.append((b"content-encoding", encoding.encode()))
    await request.send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    try:
        async for piece in answer.aiter_raw():
            await request.send({"type": "http.response.body", "body": piece, "more_body": True})
    except httpx.HTTPError:
        await request.send({"type": "http.response.body", "body": b""})
        return
    await request.send({"type": "http.response.body", "body": b""})
