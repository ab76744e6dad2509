"""The layers of the request chain that keep order: by priority and fairness, or by a plain limit of requests in flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from apiserver.api import Api
from apiserver.flowcontrol import matching
from apiserver.flowcontrol.inflight import InFlight
from apiserver.flowcontrol.level import Rejected
from apiserver.flowcontrol.turns import Flow, Turns
from apiserver.request import Request, Response
from pocketkube.api.meta import errors
from pocketkube.base import durations

Next = Callable[[Request], Awaitable[Response | None]]

OBJECTS_A_SEAT = 100
WIDEST = 10  # seats


async def take_turn(api: Api, following: Next, request: Request) -> Response | None:
    """Run with a seat of the request's priority level. Raises TooManyRequests."""
    turns = api.turns
    assert isinstance(turns, Turns)
    info = request.info
    flow = turns.flow_of(request.user, info)
    request.answer_headers = request.answer_headers + flow.headers
    schema, level = flow.schema, flow.level
    if not flow.waits:
        schema.dispatched += 1
        level.executing += 1
        try:
            return await following(request)
        finally:
            level.executing -= 1
    width = 1 if info.verb != "list" else _width(api, request)
    if not level.take(width):
        await _wait(turns, flow, width, request)
    schema.dispatched += 1
    if info.verb == "watch":
        return await _until_started(flow, following, request)
    try:
        return await following(request)
    finally:
        level.release(width)


async def _wait(turns: Turns, flow: Flow, width: int, request: Request) -> None:
    started = perf_counter()
    who = flow.schema.name, matching.distinguisher(flow.schema.spec, request.user, request.info), request
    try:
        await flow.level.wait(flow.hand, width, _patience(turns, request), who=who)
    except Rejected as rejected:
        counts = flow.schema.rejected
        counts[rejected.reason] = counts.get(rejected.reason, 0) + 1
        raise too_many() from None
    finally:
        flow.schema.has_waited(perf_counter() - started)


def _patience(turns: Turns, request: Request) -> float:
    """Seconds to wait for a seat: a quarter of the time that the request has."""
    return min(turns.request_seconds, _seconds(request.query.get("timeout", ""))) / 4


def _seconds(duration: str) -> float:
    try:
        return durations.whole(duration) or float("inf") if duration else float("inf")
    except ValueError:
        return float("inf")


def too_many() -> errors.TooManyRequests:
    return errors.TooManyRequests("Too many requests, please try again later.", details={"retryAfterSeconds": 1})


async def _until_started(flow: Flow, following: Next, request: Request) -> Response | None:
    """A watch holds its seat until it has begun to answer."""
    send, level = request.send, flow.level
    seated = True

    def stand_up() -> None:
        nonlocal seated
        if seated:
            seated = False
            level.release(1)

    async def first(message: Any) -> None:
        request.send = send
        stand_up()
        await send(message)

    request.send = first
    try:
        return await following(request)
    finally:
        stand_up()


def _width(api: Api, request: Request) -> int:
    """Seats of a list: one for each hundred objects that it may have to look at."""
    info = request.info
    resource = api.registry.find(info.group, info.version, info.resource)
    if resource is None or info.name:
        return 1
    count = len(resource.cache)
    if count <= OBJECTS_A_SEAT:
        return 1
    limit = request.query.get("limit", "")
    if limit.isdigit() and int(limit) and not (info.label_selector or info.field_selector):
        count = min(count, int(limit))
    return max(1, min(WIDEST, -(-count // OBJECTS_A_SEAT)))


async def limit_in_flight(api: Api, following: Next, request: Request) -> Response | None:
    """Without priority and fairness: so many reads and so many writes at once. Raises TooManyRequests."""
    limits = api.turns
    assert isinstance(limits, InFlight)
    counter = limits.counter(request.user, request.method, request.info)
    if counter is None:
        return await following(request)
    if not counter.take():
        raise too_many()
    try:
        return await following(request)
    finally:
        counter.used -= 1
