"""What happens to every request, in order: CHAIN on the next lines is the whole of it.

Each layer gets the request and what comes next, and gives a response or None where it was answered on the way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from apiserver import compression, paths, tracing
from apiserver.api import Api
from apiserver.asking import settled
from apiserver.authz.denial import forbidden
from apiserver.browsers import allow_origins, demand_tls
from apiserver.deadlines import limit_time
from apiserver.flowcontrol import Turns
from apiserver.flowcontrol.layer import limit_in_flight, take_turn
from apiserver.handlers import aggregated
from apiserver.interfaces import NoSuchPath, PlainFailure, Undecided
from apiserver.representation import failed
from apiserver.request import (
    Receive,
    Request,
    Response,
    Scope,
    Send,
    page_not_found,
    status_response,
    text_response,
)
from apiserver.routing import dispatch
from apiserver.storage.interface import CannotTransform, StoreUnavailable, ValueTooLarge
from pocketkube.api.meta import errors
from pocketkube.base import durations

log = logging.getLogger(__name__)

CACHE_SECONDS = 5.0
ALWAYS_ALLOWED = frozenset(("/healthz", "/livez", "/readyz"))  # who probes need not be known

Next = Callable[[Request], Awaitable[Response | None]]
Layer = Callable[[Api, Next, Request], Awaitable[Response | None]]


async def count(api: Api, following: Next, request: Request) -> Response | None:
    """How many requests there were of each sort, and how long they took."""
    started = api.requests.begin(request.method)
    code = size = 0  # nobody heard of it
    try:
        response = await following(request)
        if response is None:
            code = 200
        else:
            code = response.status
            if request.method == "GET":
                size = response.size
        return response
    finally:
        seconds = api.requests.end(request.method, request.info, code, started, size)
        if seconds > tracing.SLOW_SECONDS:
            tracing.slow(request, seconds, code)


async def answer_errors(api: Api, following: Next, request: Request) -> Response | None:
    """Every failure becomes a Status, once; what nobody expected is logged with its traceback."""
    try:
        return await following(request)
    except errors.StatusError as error:
        return failed(request, error)
    except NoSuchPath:
        return page_not_found()
    except PlainFailure as failure:
        return _plain(request, str(failure))
    except ValueTooLarge:
        why = "Request entity too large: etcdserver: request is too large"
        return status_response(errors.RequestEntityTooLarge(why))
    except CannotTransform as error:
        return status_response(errors.InternalError(f"Internal error occurred: {error}"))
    except StoreUnavailable as error:
        log.warning("%s %s: the store does not answer: %s", request.method, request.path, error)
        details = {"retryAfterSeconds": 1}
        return status_response(errors.ServiceUnavailable("the store is unavailable, try again later", details=details))
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return status_response(
            errors.InternalError("Internal error occurred: the request failed, see the server's log")
        )


def _plain(request: Request, why: str) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    uri = f"{request.path}?{query}" if query else request.path
    return text_response(f'Internal Server Error: "{uri}": {why}\n', status=500)


async def find_request_info(api: Api, following: Next, request: Request) -> Response | None:
    request.info = paths.request_info(request)
    return await following(request)


async def wait_for_cache(api: Api, following: Next, request: Request) -> Response | None:
    """Right after the start, and while the store's stream is lost, nobody could be judged: wait a little, then give up."""
    if request.info.is_resource and not api.registry.cache.ready:
        try:
            async with asyncio.timeout(CACHE_SECONDS):
                await api.registry.cache.wait_ready()
        except TimeoutError:
            raise StoreUnavailable("the watch cache is not loaded") from None
    return await following(request)


async def authenticate(api: Api, following: Next, request: Request) -> Response | None:
    request.user = await api.authenticator.authenticate(request.headers, request.peer_certificate, request.path)
    return await following(request)


async def audit_refused(api: Api, following: Next, request: Request) -> Response | None:
    """There only where requests are audited, as the next one."""
    assert api.auditor is not None
    return await api.auditor.audit_refused(following, request)


async def audit(api: Api, following: Next, request: Request) -> Response | None:
    assert api.auditor is not None
    return await api.auditor.audit(following, request)


async def authorize(api: Api, following: Next, request: Request) -> Response | None:
    if request.path in ALWAYS_ALLOWED:
        return await following(request)
    try:
        decision = api.authorizer.authorize(request.user, request.info)
    except Undecided:
        decision = await settled(lambda: api.authorizer.authorize(request.user, request.info))
    if request.audit is not None:
        request.annotations["authorization.k8s.io/decision"] = "allow" if decision.allowed else "forbid"
        request.annotations["authorization.k8s.io/reason"] = decision.reason
    if not decision.allowed:
        if decision.error and not decision.denied:
            raise PlainFailure(decision.error)
        raise forbidden(request.user, request.info, decision.reason)
    return await following(request)


async def handle(api: Api, following: Next, request: Request) -> Response | None:
    """The verb's handler, or the extension server that has the group; nothing follows."""
    if api.aggregation.services and (service := aggregated.service_of(api, request)) is not None:
        return await aggregated.handle(api, request, service)
    return await dispatch(api, request)


CHAIN: tuple[Layer, ...] = (
    count,
    answer_errors,
    find_request_info,
    demand_tls,
    limit_time,
    allow_origins,
    wait_for_cache,
    audit_refused,
    authenticate,
    audit,
    take_turn,
    authorize,
    handle,
)


async def _end(request: Request) -> Response | None:
    raise errors.NotFound("the server could not find the requested resource")


def build(api: Api, layers: tuple[Layer, ...] = CHAIN) -> Next:
    """The layers folded into one callable, the first outermost. What is switched off is not there."""
    instead: dict[Layer, Layer] = {} if isinstance(api.turns, Turns) else {take_turn: limit_in_flight}
    left_out: list[Layer] = [] if api.auditor is not None else [audit_refused, audit]
    left_out += [] if api.options.cors_allowed_origins else [allow_origins]
    left_out += [] if api.options.strict_transport_security_directives else [demand_tls]
    following: Next = _end
    for layer in reversed([layer for layer in layers if layer not in left_out]):
        layer = instead.get(layer, layer)
        following = partial(layer, api, following)
    return following


class Application:
    """The chain as an ASGI application."""

    def __init__(self, api: Api):
        self._chain = build(api)
        self._seconds = durations.whole(api.options.request_timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        request.seconds = self._seconds
        tracing.CURRENT.set(request)
        response = await self._chain(request)
        if response is not None:
            packs = response.size >= compression.FROM_BYTES and compression.wanted(request, response)
            await respond(request, await compression.packed(response) if packs else response)


async def respond(request: Request, response: Response) -> None:
    """Send a complete response."""
    headers = [
        (b"content-type", response.content_type),
        (b"cache-control", b"no-cache, private"),
    ]
    if request.warnings:
        headers += warning_headers(request.warnings)
    if response.headers:
        headers += response.headers
    if request.answer_headers:
        headers += request.answer_headers
    at_once = request.scope["extensions"].get("pocketkube.respond")
    tail = response.tail
    if tail is None and at_once is not None and at_once(response.status, headers, response.body):
        return
    headers.append((b"content-length", b"%d" % response.size))
    await request.send({"type": "http.response.start", "status": response.status, "headers": headers})
    await request.send({"type": "http.response.body", "body": response.body, "more_body": tail is not None})
    if tail is not None:
        await request.send({"type": "http.response.body", "body": tail.data})


def warning_headers(warnings: list[str]) -> list[tuple[bytes, bytes]]:
    """`299 - "..."` of each warning, once, as RFC 7234 writes it."""
    shown = []
    for text in dict.fromkeys(warnings):
        line = "".join(char if char.isprintable() else " " for char in text)
        quoted = line.replace("\\", "\\\\").replace('"', '\\"')
        shown.append((b"warning", f'299 - "{quoted}"'.encode("latin-1", "replace")))
    return shown
