"""The proxy subresources of pods, services and nodes: `[scheme:]name[:port]`, then any path."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import ssl
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from apiserver import paths, services
from apiserver.api import Api
from apiserver.backends import Answer, BackendError, Target
from apiserver.freshness import wait_for
from apiserver.handlers import forwarding
from apiserver.interfaces import AdmissionRequest
from apiserver.links import Links
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from apiserver.tunnels import is_upgrade, tunnel
from pocketkube.api.meta import errors

Obj = dict[str, Any]

VERBS = ("get", "create", "update", "patch", "delete", "")  # "" is OPTIONS, which no verb is named after
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
MOST_PAGE = 16 << 20  # bytes of an HTML page whose links are rewritten
_QUICK = 1 << 16  # bytes that are rewritten without a thread
_CORS = frozenset(b"access-control-allow-" + word for word in (b"credentials", b"headers", b"methods", b"origin"))
_KINDS = {"pods": "PodProxyOptions", "services": "ServiceProxyOptions", "nodes": "NodeProxyOptions"}


class Address(NamedTuple):
    scheme: str
    name: str
    port: str


def split(text: str, what: str = "proxy") -> Address:
    """`https:web:8443` by its colons; two parts are name and port. Raises BadRequest."""
    parts = text.split(":")
    if len(parts) == 1 and parts[0]:
        return Address("", parts[0], "")
    if len(parts) == 2 and parts[0]:
        return Address("", parts[0], parts[1])
    if len(parts) == 3 and parts[0] in ("http", "https", "") and parts[1]:
        return Address(parts[0], parts[1], parts[2])
    raise errors.BadRequest(f'invalid {what} request "{text}"')


async def handle(api: Api, request: Request, resource: Resource) -> Response | None:
    info = request.info
    if request.method not in METHODS:
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
    rest = _rest(request)
    await _admit(api, request, resource, rest)
    address = split(info.name, resource.plural.removesuffix("s"))
    await wait_for(api.registry, resource, "")
    target = _target(api, resource, info.namespace, address)
    query = request.scope["query_string"].decode("latin-1")
    headers = forwarding.passed(request, upgrade=is_upgrade(request))
    path = (rest or "/") + (f"?{query}" if query else "")
    try:
        if is_upgrade(request):
            refused = await tunnel(request, target, path, headers=headers)
            return None if refused is None else _refusal(refused.status, refused.headers, refused.body)
        if not rest:
            location = quote(request.path, safe="/:@!$&'()*+,;=~-._%") + "/" + (f"?{query}" if query else "")
            return Response(b"", status=301, headers=[(b"location", location.encode())])
        return await _forward(api, request, target, path, headers=headers)
    except BackendError as failure:
        raise errors.ServiceUnavailable(f"error trying to reach service: {failure}") from None


def _rest(request: Request) -> str:
    """What follows the subresource, as the client wrote it: escapes are for those behind us."""
    decoded = paths.remainder(request.path, request.info)
    before = request.path[: len(request.path) - len(decoded)]
    raw: str = request.scope["raw_path"].decode("latin-1")
    parts = raw.split("/")[before.count("/") + 1 :]
    return quote("/" + "/".join(parts), safe="/:@!$&'()*+,;=~-._%") if parts else ""


def _refusal(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    """An answer to an upgrade that is none, as it came."""
    if status < 400:
        raise errors.InternalError(f"invalid upgrade response: status code {status}")
    kind = next((value for name, value in headers if name == b"content-type"), b"text/plain")
    return Response(body, status=status, content_type=kind)


async def _admit(api: Api, request: Request, resource: Resource, rest: str) -> None:
    info = request.info
    options: Obj = {"kind": _KINDS[resource.plural], "apiVersion": "v1", "path": rest}
    asked = AdmissionRequest(
        "CONNECT", resource.kind, info.namespace, info.name, "proxy", options, None, request.user,
        warnings=request.warnings, annotations=request.annotations,
    )  # fmt: skip
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)


def _target(api: Api, resource: Resource, namespace: str, address: Address) -> Target:
    entry = resource.cache.get(namespace, address.name)
    if entry is None:
        raise errors.not_found("", resource.plural, address.name)
    context = unverified() if address.scheme == "https" else None
    if resource.plural == "nodes":
        return _node(api.kubelets.target(entry.obj), address, context)
    host, port = _pod(entry.obj, address.port) if resource.plural == "pods" else _endpoint(api, entry.obj, address.port)
    return Target(_allowed(host), port, context)


def _node(kubelet: Target, address: Address, context: ssl.SSLContext | None) -> Target:
    """The kubelet, known by its certificate; or whatever else listens on the node."""
    if address.port in ("", str(kubelet.port)):
        return kubelet
    return Target(_allowed(kubelet.host), _number(address.port), context)


def _allowed(host: str) -> str:
    """Nobody reaches this server's own machine through it. Raises BadRequest."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
        raise errors.BadRequest("address not allowed")
    return host


def _number(port: str) -> int:
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise errors.BadRequest(f'invalid port "{port}"')
    return int(port)


@lru_cache(maxsize=1)
def unverified() -> ssl.SSLContext:
    """Pods have certificates of their own: the connection is private, not proven, as upstream."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _pod(pod: Obj, port: str) -> tuple[str, int]:
    host = (pod.get("status") or {}).get("podIP")
    if not host:
        raise errors.BadRequest("address not allowed")
    ports = [p for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
    if not port:
        return host, int(ports[0]["containerPort"]) if ports else 80
    named = [p["containerPort"] for p in ports if p.get("name") == port]
    return host, int(named[0]) if named else _number(port)


def _endpoint(api: Api, service: Obj, port: str) -> tuple[str, int]:
    """One of the ready endpoints behind a service, at random. Raises ServiceUnavailable without one."""
    meta = service["metadata"]
    wanted = services.port_of(service, port)
    if wanted is None:
        shown = port if port.isdigit() else f'"{port}"'
        raise errors.ServiceUnavailable(f'no service port {shown} found for service "{meta["name"]}"')
    found = services.ready(api.registry, meta["namespace"], meta["name"], port_name=wanted.get("name") or "")
    if not found:
        raise errors.ServiceUnavailable(f'no endpoints available for service "{meta["name"]}"')
    return random.choice(found)


async def _forward(
    api: Api, request: Request, target: Target, path: str, *, headers: list[tuple[bytes, bytes]]
) -> Response | None:
    rest = path.partition("?")[0]
    raw: str = request.scope["raw_path"].decode("latin-1")
    links = Links(
        raw.removesuffix(rest), hosts=(target.authority, target.host, request.header(b"host").decode("latin-1"))
    )
    headers.append((b"x-forwarded-uri", raw.encode("latin-1")))
    answer = await forwarding.forward(api, request, target, path, headers=headers)
    try:
        shown = [(n, v) for n, v in forwarding.returned(answer.headers) if n not in _CORS]
        location, kind = answer.header(b"location"), answer.header(b"content-type").split(b";")[0].strip()
        if location:
            rewritten = links.rewrite(location.decode("latin-1")).encode("latin-1", "replace")
            shown = [(n, rewritten if n == b"location" else v) for n, v in shown]
        if kind == b"text/html" and not location and request.method != "HEAD":
            await _page(request, answer, links, shown)
        else:
            await forwarding.respond(request, answer, headers=shown)
    finally:
        await answer.close()
    return None


async def _page(request: Request, answer: Answer, links: Links, headers: list[tuple[bytes, bytes]]) -> None:
    """An HTML page with its links rewritten, and as long as it says."""
    body = await answer.read(MOST_PAGE)
    encoding = answer.header(b"content-encoding").decode("latin-1").strip()
    made = await _rewritten(links, body, encoding)
    page = body if made is None else made
    headers = [(n, v) for n, v in headers if n != b"content-length"] + [(b"content-length", b"%d" % len(page))]
    await request.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await request.send({"type": "http.response.body", "body": page})


async def _rewritten(links: Links, body: bytes, encoding: str) -> bytes | None:
    if len(body) < _QUICK:
        return links.encoded_page(body, encoding, most=MOST_PAGE)
    return await asyncio.to_thread(links.encoded_page, body, encoding, most=MOST_PAGE)
