"""Everything below /apis/GROUP/VERSION of an APIService that another server answers: passed on in the name of who asks."""

from __future__ import annotations

import asyncio

from apiserver.aggregation import identity
from apiserver.aggregation.service import Service, Unreachable
from apiserver.api import Api
from apiserver.backends import BackendError, Target
from apiserver.handlers import forwarding
from apiserver.options import Options
from apiserver.request import Request, Response
from apiserver.tunnels import is_upgrade, tunnel

DISCOVERY_SECONDS = 5.0
_TEXT = b"text/plain; charset=utf-8"


def service_of(api: Api, request: Request) -> Service | None:
    """The APIService that a request is for; None where this server answers itself."""
    info = request.info
    if info.is_resource:
        return api.aggregation.find(info.group, info.version)
    parts = request.path.split("/")
    return api.aggregation.find(parts[2], parts[3]) if len(parts) > 3 and parts[1] == "apis" else None


async def handle(api: Api, request: Request, service: Service) -> Response | None:
    if not service.available:
        return _text("service unavailable")
    try:
        target = api.aggregation.resolver.target(service)
    except Unreachable:
        return _text("service unavailable")
    try:
        return await _pass_on(api, request, target)
    except BackendError as failure:
        return _text(f"error trying to reach service: {failure}")


async def _pass_on(api: Api, request: Request, target: Target) -> Response | None:
    query: bytes = request.scope["query_string"]
    path = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
    upgrade = is_upgrade(request)
    headers = identity.anonymous(forwarding.passed(request, upgrade=upgrade), _claims(api.options))
    headers += identity.headers_of(request.user)
    if upgrade:
        refused = await tunnel(request, target, path, headers=headers)
        if refused is None:
            return None
        kind = refused.header(b"content-type") or _TEXT
        return Response(refused.body, status=refused.status if refused.status >= 400 else 502, content_type=kind)
    discovery = not request.info.is_resource
    try:
        async with asyncio.timeout(DISCOVERY_SECONDS if discovery else None):
            answer = await forwarding.forward(api, request, target, path, headers=headers)
    except TimeoutError:
        raise BackendError("context deadline exceeded") from None
    try:
        await forwarding.respond(request, answer, endless=request.info.verb == "watch")
    finally:
        await answer.close()
    return None


def _claims(options: Options) -> list[str]:
    """The headers by which a front proxy would say who asks; nobody else may."""
    names = (*options.requestheader_username_headers, *options.requestheader_uid_headers)
    more = (*options.requestheader_group_headers, *options.requestheader_extra_headers_prefix)
    return [name.lower() for name in (*names, *more)]


def _text(why: str) -> Response:
    return Response(
        why.encode() + b"\n", status=503, content_type=_TEXT, headers=[(b"x-content-type-options", b"nosniff")]
    )
