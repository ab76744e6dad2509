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
from apiserver.handlers import debug, discovery, health, metrics, openapi, version
from apiserver.interfaces import NoSuchPath
from apiserver.representation import YAML_LATER, as_yaml, failed
from apiserver.request import Request, Response, page_not_found, status_response
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
    listed = [path for path, _ in ROUTES if "{" not in path and not path.startswith("/debug/")]
    listed += ["/api/v1", "/apis/"]
    for name in found.named_groups():
        listed += [f"/apis/{name}", *(f"/apis/{name}/{v}" for v in found.groups[name])]
    for name, checks in health.CHECKS.items():
        listed += [f"/{name}/{check}" for check in checks]
    shown = {"paths": sorted(set(listed) - {"/", "/index.html"})}
    return Response(orjson.dumps(shown, option=orjson.OPT_INDENT_2))


async def _version(api: Api, request: Request) -> Response:
    return await version.get_version()


def _health(name: str) -> Endpoint:
    async def endpoint(api: Api, request: Request, check: str | None = None) -> Response:
        if check == "":
            raise NoSuchPath
        return await health.handle(api, request, name, check or "")

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
    ("/index.html", _root),
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
    ("/debug/api_priority_and_fairness/dump_priority_levels", debug.priority_levels),
    ("/debug/api_priority_and_fairness/dump_queues", debug.queues),
    ("/debug/api_priority_and_fairness/dump_requests", debug.waiting_requests),
    ("/debug/flags/v", debug.verbosity),
    ("/flagz", debug.flags),
    ("/statusz", debug.status),
)

# Upstream's web services: GET alone, and a slash may follow. The other paths are what they are, and take any method.
_SERVICES = frozenset(
    ("/version", "/api", "/api/{version}", "/apis/{group}/{version}", oidc.CONFIGURATION_PATH, oidc.JWKS_PATH)
)
_SLASH_TOO = _SERVICES | {"/apis", "/apis/{name}"}
_ANY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_MISSING = "the server could not find the requested resource"


def compose(api: Api) -> FastAPI:
    """The application of these paths; it answers what the request chain hands to it."""
    from fastapi import FastAPI

    app = FastAPI(title="pocketkube", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for path, endpoint in ROUTES:
        adapted = _adapted(api, endpoint, reads=path in _SERVICES)
        app.add_route(path, adapted, methods=_ANY)
        if path in _SLASH_TOO:
            app.add_route(path + "/", adapted, methods=_ANY)
    app.add_exception_handler(404, _missing)
    return app


async def _missing(http: Any, failure: Exception) -> Any:
    """Below a path that is known, and not there."""
    path = http.scope["path"]
    lost = status_response(errors.NotFound(_MISSING)) if path.startswith(_STATUS_BELOW) else page_not_found()
    return _sent(http.scope[_CONTEXT], lost)


_STATUS_BELOW = ("/api/", "/version/", oidc.CONFIGURATION_PATH + "/", "/openid/v1/")


def _sent(request: Request, answer: Response) -> Any:
    from starlette.responses import Response as HttpResponse

    headers = {"content-type": answer.content_type.decode(), "cache-control": "no-cache, private"}
    more = (*(answer.headers or ()), *request.answer_headers)
    headers |= {name.decode(): value.decode("latin-1") for name, value in more}
    return HttpResponse(answer.body, status_code=answer.status, headers=headers)


def _adapted(api: Api, endpoint: Endpoint, *, reads: bool) -> Any:
    from starlette.requests import Request as HttpRequest

    async def adapted(http: HttpRequest) -> Any:
        request: Request = http.scope[_CONTEXT]
        try:
            if reads and request.method != "GET":
                raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
            answer = await endpoint(api, request, **http.path_params)
            if answer.content_type is YAML_LATER:
                answer = await as_yaml(answer)
        except errors.StatusError as error:
            answer = failed(request, error)
        except NoSuchPath:
            answer = page_not_found()
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            answer = status_response(errors.InternalError("Internal error occurred: see the server's log"))
        return _sent(request, answer)

    return adapted


async def handle(api: Api, request: Request) -> None:
    if not _known(request.path):
        raise NoSuchPath
    if api.plain is None:
        await asyncio.to_thread(import_module, "fastapi")  # longer than others should wait
        api.plain = api.plain or compose(api)
    request.scope[_CONTEXT] = request
    if request.path.startswith(_SLASHES_TOO) and request.path.endswith("//"):
        request.scope["path"] = request.path.rstrip("/") + "/"
    await api.plain(request.scope, request.receive, request.send)


_FIRST = frozenset(path.split("/")[1].split("{")[0] for path, _ in ROUTES)
_SLASHES_TOO = ("/version/", "/api/", "/apis/", oidc.CONFIGURATION_PATH + "/")


def _known(path: str) -> bool:
    return not path.startswith("//") and path.partition("/")[2].partition("/")[0] in _FIRST
