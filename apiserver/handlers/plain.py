"""Everything that is no resource: discovery, OpenAPI, health, version, metrics, well-known documents. Composed by FastAPI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson

from apiserver.api import Api
from apiserver.authn import discovery as oidc
from apiserver.handlers import discovery, health, metrics, openapi, version
from apiserver.representation import YAML_LATER, as_yaml, failed
from apiserver.request import Request, Response, status_response
from pocketkube.api.meta import errors

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

_FOR_AN_HOUR = ((b"cache-control", b"public, max-age=3600"),)

Endpoint = Callable[..., Awaitable[Response]]

_CONTEXT = "pocketkube.request"


async def _root(api: Api, request: Request) -> Response:
    """/: the paths there are."""
    found = discovery.current(api)
    listed = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/"]
    for name in found.named_groups():
        listed += [f"/apis/{name}", *(f"/apis/{name}/{v}" for v in found.groups[name])]
    listed += ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"]
    return Response(orjson.dumps({"paths": sorted(listed)}, option=orjson.OPT_INDENT_2))


async def _version(api: Api, request: Request) -> Response:
    return await version.get_version()


def _health(name: str) -> Endpoint:
    async def endpoint(api: Api, request: Request, check: str = "") -> Response:
        return await health.handle(api, request, name, check)

    return endpoint


async def _openid(api: Api, request: Request) -> Response:
    options = api.options
    address = options.advertise_address or "kubernetes.default.svc"
    uri = options.service_account_jwks_uri or f"https://{address}:{options.secure_port}{oidc.JWKS_PATH}"
    value = oidc.configuration(options.service_account_issuer[0], api.public_keys, jwks_uri=uri)
    return Response(orjson.dumps(value), headers=list(_FOR_AN_HOUR))


async def _jwks(api: Api, request: Request) -> Response:
    body = orjson.dumps(oidc.jwks(api.public_keys))
    return Response(body, content_type=oidc.JWKS_TYPE.encode(), headers=list(_FOR_AN_HOUR))


ROUTES: tuple[tuple[str, Endpoint], ...] = (
    ("/", _root),
    ("/version", _version),
    ("/metrics", metrics.handle),
    ("/healthz", _health("healthz")),
    ("/healthz/{check:path}", _health("healthz")),
    ("/livez", _health("livez")),
    ("/livez/{check:path}", _health("livez")),
    ("/readyz", _health("readyz")),
    ("/readyz/{check:path}", _health("readyz")),
    ("/api", discovery.core),
    ("/api/{version}", discovery.resources),
    ("/apis", discovery.groups),
    ("/apis/{name}", discovery.group),
    ("/apis/{group}/{version}", discovery.resources),
    ("/openapi/v2", openapi.v2),
    ("/openapi/v3", openapi.v3_index),
    ("/openapi/v3/{path:path}", openapi.v3),
    (oidc.CONFIGURATION_PATH, _openid),
    (oidc.JWKS_PATH, _jwks),
)


def compose(api: Api) -> FastAPI:
    """The application of these paths; it answers what the request chain hands to it."""
    from fastapi import FastAPI

    app = FastAPI(title="pocketkube", openapi_url=None, docs_url=None, redoc_url=None)
    for path, endpoint in ROUTES:
        app.add_route(path, _adapted(api, endpoint), methods=["GET", "HEAD"])
        if path.startswith("/api") or path in ("/version", "/healthz", "/livez", "/readyz", "/openapi/v3"):
            app.add_route(path + "/", _adapted(api, endpoint), methods=["GET", "HEAD"])
    app.add_exception_handler(404, _missing)
    return app


async def _missing(http: Any, failure: Exception) -> Any:
    """Below a path that is known, and not there."""
    from starlette.responses import Response as HttpResponse

    answer = status_response(errors.NotFound("the server could not find the requested resource"))
    return HttpResponse(answer.body, status_code=answer.status, media_type=answer.content_type.decode())


def _adapted(api: Api, endpoint: Endpoint) -> Any:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response as HttpResponse

    async def adapted(http: HttpRequest) -> HttpResponse:
        request: Request = http.scope[_CONTEXT]
        try:
            answer = await endpoint(api, request, **http.path_params)
            if answer.content_type is YAML_LATER:
                answer = await as_yaml(answer)
        except errors.StatusError as error:
            answer = failed(request, error)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            answer = status_response(errors.InternalError("Internal error occurred: see the server's log"))
        headers = {"content-type": answer.content_type.decode(), "cache-control": "no-cache, private"}
        headers |= {
            name.decode(): value.decode("latin-1") for name, value in (*(answer.headers or ()), *request.answer_headers)
        }
        return HttpResponse(answer.body, status_code=answer.status, headers=headers)

    return adapted


async def handle(api: Api, request: Request) -> Response | None:
    if api.plain is None:
        await asyncio.to_thread(import_module, "fastapi")  # longer than others should wait
        api.plain = api.plain or compose(api)
    request.scope[_CONTEXT] = request
    if not _known(request.path):
        raise errors.NotFound("the server could not find the requested resource")
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
    await api.plain(request.scope, request.receive, request.send)
    return None


_FIRST = frozenset(path.split("/")[1].split("{")[0] for path, _ in ROUTES)


def _known(path: str) -> bool:
    return path.partition("/")[2].partition("/")[0] in _FIRST
