"""The proxy subresources of pods, services and nodes: `[scheme:]name[:port]`, then any path."""

from __future__ import annotations

import re
import ssl
from typing import Any, NamedTuple
from urllib.parse import quote

from apiserver import paths
from apiserver.api import Api
from apiserver.freshness import wait_for
from apiserver.handlers import forwarding
from apiserver.handlers.streams import refusal
from apiserver.interfaces import AdmissionRequest
from apiserver.kubelets import Target, tunnel
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from pocketkube.api.meta import errors

Obj = dict[str, Any]

_LINK = re.compile(
    rb"""((?:href|src|action|longdesc|background|cite|data|formaction|icon|manifest|poster)\s*=\s*["'])(/[^"'/][^"']*|/)""",
    re.I,
)


class Address(NamedTuple):
    scheme: str
    name: str
    port: str


def split(text: str) -> Address:
    """`https:web:8443` by its colons; two parts are name and port. Raises BadRequest."""
    parts = text.split(":")
    if len(parts) == 1 and parts[0]:
        return Address("", parts[0], "")
    if len(parts) == 2 and parts[0]:
        return Address("", parts[0], parts[1])
    if len(parts) == 3 and parts[0] in ("http", "https", "") and parts[1]:
        return Address(parts[0], parts[1], parts[2])
    raise errors.BadRequest(f'invalid proxy request "{text}"')


async def handle(api: Api, request: Request, resource: Resource) -> Response | None:
    info = request.info
    await _admit(api, request, resource)
    address = split(info.name)
    await wait_for(api.registry, resource, "")
    target = _target(api, resource, info.namespace, address)
    rest = paths.remainder(request.path, info)
    if not rest and request.method in ("GET", "HEAD"):
        return Response(b"", status=301, headers=[(b"location", request.path.encode() + b"/")])
    query = request.scope["query_string"]
    path = quote(rest or "/", safe="/:@!$&'()*+,;=~-._%") + (f"?{query.decode('latin-1')}" if query else "")
    if "pocketkube.upgrade" in request.scope.get("extensions", {}):
        answer = await tunnel(request, target, path)
        return None if answer is None else refusal(answer)
    return await _forward(request, target, path, prefix=request.path[: len(request.path) - len(rest)])


async def _admit(api: Api, request: Request, resource: Resource) -> None:
    info = request.info
    asked = AdmissionRequest("CONNECT", resource.kind, info.namespace, info.name, "proxy", {}, None, request.user)
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)


def _target(api: Api, resource: Resource, namespace: str, address: Address) -> Target:
    entry = resource.cache.get(namespace, address.name)
    if entry is None:
        raise errors.not_found("", resource.plural, address.name)
    if resource.plural == "nodes":
        kubelet = api.kubelets.target(entry.obj)
        return kubelet._replace(port=int(address.port)) if address.port else kubelet
    context = _unverified() if address.scheme == "https" else None
    host, port = _pod(entry.obj, address.port) if resource.plural == "pods" else _endpoint(api, entry.obj, address.port)
    return Target(host, port, context)


def _unverified() -> ssl.SSLContext:
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
    if port.isdigit():
        return host, int(port)
    named = [p["containerPort"] for p in ports if p.get("name") == port]
    if not named:
        raise errors.BadRequest(f'no port named "{port}" in pod {pod["metadata"]["name"]}')
    return host, int(named[0])


def _endpoint(api: Api, service: Obj, port: str) -> tuple[str, int]:
    """A ready endpoint behind a service. Raises ServiceUnavailable without one."""
    meta = service["metadata"]
    ports = service["spec"].get("ports") or []
    wanted = next((p for p in ports if port in (p.get("name") or "", str(p["port"]))), None)
    if wanted is None and not port and len(ports) == 1:
        wanted = ports[0]
    unavailable = errors.ServiceUnavailable(f'no endpoints available for service "{meta["name"]}"')
    if wanted is None:
        raise errors.ServiceUnavailable(f'no service port "{port}" found for service "{meta["name"]}"')
    endpoints = api.registry.by_plural("", "endpoints").cache.get(meta["namespace"], meta["name"])
    for subset in (endpoints.obj.get("subsets") or ()) if endpoints else ():
        for candidate in subset.get("ports") or ():
            if (candidate.get("name") or "") == (wanted.get("name") or "") and subset.get("addresses"):
                return subset["addresses"][0]["ip"], int(candidate["port"])
    raise unavailable


async def _forward(request: Request, target: Target, path: str, *, prefix: str) -> Response | None:
    answer = await forwarding.forward(request, target, path)
    try:
        location = answer.headers.get("location", "")
        if location.startswith("/"):
            answer.headers["location"] = prefix + location
        if not answer.headers.get("content-type", "").startswith("text/html") or request.method == "HEAD":
            await forwarding.stream(request, answer)
            return None
        body = await answer.aread()
        headers = [(n.lower(), v) for n, v in answer.headers.raw if n.lower() in (b"location", b"set-cookie", b"etag")]
        return Response(
            _LINK.sub(lambda m: m[1] + prefix.encode() + m[2], body),
            status=answer.status_code,
            content_type=answer.headers["content-type"].encode(),
            headers=headers,
        )
    finally:
        await forwarding.close(answer)
