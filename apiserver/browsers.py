"""What browsers ask for: which pages may use the API (CORS), and that it is used over TLS alone (HSTS). Off by default."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from apiserver.api import Api
from apiserver.configfile import BadFile
from apiserver.options import Options
from apiserver.request import Request, Response

Next = Callable[[Request], Awaitable[Response | None]]

_ALLOWED = [
    (b"access-control-allow-methods", b"POST, GET, OPTIONS, PUT, DELETE, PATCH"),
    (
        b"access-control-allow-headers",
        b"Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since",
    ),
    (b"access-control-expose-headers", b"Date"),
    (b"access-control-allow-credentials", b"true"),
]


def check(flags: Options) -> None:
    """Raises BadFile."""
    for pattern in flags.cors_allowed_origins:
        try:
            re.compile(pattern)
        except re.error as wrong:
            raise BadFile(f"--cors-allowed-origins: {pattern!r}: {wrong}") from None
        if not (pattern.startswith("^") or "//" in pattern) or not pattern.rstrip(")").endswith(("$", ":")):
            pinned = "must be pinned to start and end of host"
            raise BadFile(f"--cors-allowed-origins: regular expression {pattern!r} {pinned}")
    for directive in flags.strict_transport_security_directives:
        age = directive.removeprefix("max-age=")
        if directive not in ("includeSubDomains", "preload") and (age == directive or not age.isdigit()):
            raise BadFile(
                f"--strict-transport-security-directives: {directive!r} is none of max-age=N, includeSubDomains, preload"
            )


async def allow_origins(api: Api, following: Next, request: Request) -> Response | None:
    """There only where --cors-allowed-origins is given. A browser that asks beforehand is answered here."""
    origin = request.header(b"origin")
    text = origin.decode("latin-1")
    if origin and any(re.search(pattern, text) for pattern in api.options.cors_allowed_origins):
        request.answer_headers = [*request.answer_headers, (b"access-control-allow-origin", origin), *_ALLOWED]
        if request.method == "OPTIONS":
            return Response(b"", status=204)
    return await following(request)


async def demand_tls(api: Api, following: Next, request: Request) -> Response | None:
    """There only where --strict-transport-security-directives is given."""
    directives = "; ".join(api.options.strict_transport_security_directives).encode()
    request.answer_headers = [*request.answer_headers, (b"strict-transport-security", directives)]
    return await following(request)
