"""No request waits for ever: past its time the client is told so, and what was begun ends as it may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from apiserver.api import Api
from apiserver.flowcontrol.turns import LONG_RUNNING
from apiserver.request import Request, Response
from pocketkube.api.meta import errors
from pocketkube.base import durations

Next = Callable[[Request], Awaitable[Response | None]]

_READING = frozenset(("GET", "HEAD"))


def seconds_of(request: Request, most: float) -> float:
    """What the `timeout` parameter asks for, at most `most`. Raises BadRequest."""
    text = request.query.get("timeout", "") if request.scope["query_string"] else ""
    if not text:
        return most
    try:
        asked = durations.parse(text)
    except ValueError as wrong:
        raise errors.BadRequest(f"invalid timeout specified in the request URL - {wrong}") from None
    return min(asked, most) if asked > 0 else most


async def limit_time(api: Api, following: Next, request: Request) -> Response | None:
    """Of what is no stream: a change may take --request-timeout, and anything the time that it asks for itself."""
    info = request.info
    if info.verb in ("watch", "proxy") or info.subresource in LONG_RUNNING:
        return await following(request)
    seconds = seconds_of(request, api.request_seconds)
    if request.method in _READING and seconds == api.request_seconds:
        return await following(request)  # reads have limits of their own
    late = False

    def give_up() -> None:
        nonlocal late
        why = "Timeout: request did not complete within requested timeout - context deadline exceeded"
        late = _answer(request, errors.unrouted(errors.Timeout(why)))

    loop = asyncio.get_running_loop()
    request.deadline = loop.time() + seconds
    timer = loop.call_at(request.deadline, give_up)
    try:
        response = await following(request)
        return None if late else response
    except Exception:
        if late:
            return None
        raise
    finally:
        timer.cancel()


def _answer(request: Request, failure: errors.StatusError) -> bool:
    """At once, past everything that is still under way; False where an answer has begun."""
    respond = request.scope["extensions"].get("pocketkube.respond")
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-cache, private"),
        *request.answer_headers,
    ]
    return respond is not None and bool(respond(failure.code, headers, orjson.dumps(failure.to_status())))
