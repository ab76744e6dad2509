"""No request waits for ever: past its time the client is told so, and what was begun ends as it may."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson

from apiserver.flowcontrol.turns import LONG_RUNNING
from apiserver.request import Request, Response
from pocketkube.api.meta import errors
from pocketkube.base import durations

if TYPE_CHECKING:
    from apiserver.api import Api

Next = Callable[[Request], Awaitable[Response | None]]

LOOK_SECONDS = 1.0
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


class UnderWay:
    """The changes under way, with when they are late. One timer looks after all of them: one each would cost every write."""

    def __init__(self) -> None:
        self._due: dict[Request, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: Request, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._due[request] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(LOOK_SECONDS, self._look, loop)

    def end(self, request: Request) -> bool:
        """False if it has been answered in the meantime."""
        return self._due.pop(request, None) is not None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for request in [request for request, due in self._due.items() if due <= now]:
            if _answer(request, too_late()):
                del self._due[request]
            else:
                self._due[request] = math.inf  # its answer has begun
        self._timer = loop.call_later(LOOK_SECONDS, self._look, loop) if self._due else None


async def limit_time(api: Api, following: Next, request: Request) -> Response | None:
    """Of what is no stream: a change may take --request-timeout, and anything the time that it asks for itself."""
    info = request.info
    if info.verb in ("watch", "proxy") or info.subresource in LONG_RUNNING:
        return await following(request)
    seconds = seconds_of(request, api.request_seconds)
    if seconds != api.request_seconds:
        return await _within(seconds, following, request)
    if request.method in _READING:
        return await following(request)  # reads have limits of their own
    under_way = api.under_way
    under_way.add(request, seconds)
    try:
        response = await following(request)
    except BaseException as failure:
        if under_way.end(request) or not isinstance(failure, Exception):
            raise
        return None
    return response if under_way.end(request) else None


async def _within(seconds: float, following: Next, request: Request) -> Response | None:
    """With a timer of its own, since it may be short."""
    late = False

    def give_up() -> None:
        nonlocal late
        late = _answer(request, too_late())

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


def too_late() -> errors.StatusError:
    why = "Timeout: request did not complete within requested timeout - context deadline exceeded"
    return errors.unrouted(errors.Timeout(why))


def _answer(request: Request, failure: errors.StatusError) -> bool:
    """At once, past everything that is still under way; False where an answer has begun."""
    respond = request.scope["extensions"].get("pocketkube.respond")
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-cache, private"),
        *request.answer_headers,
    ]
    return respond is not None and bool(respond(failure.code, headers, orjson.dumps(failure.to_status())))
