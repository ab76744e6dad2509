"""The REST client: one method a verb. Objects in and out are dicts; failures are `errors.*` from the server, httpx's otherwise.

It speaks to any Kubernetes API server. Requests share a bounded pool of connections; watches and logs have a pool of
their own, so that a hundred watches never keep a request waiting.
"""

from __future__ import annotations

import asyncio
import builtins
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypedDict, Unpack
from urllib.parse import quote, urlencode

import httpx
import orjson

from pocketkube.api.meta import errors
from pocketkube.client.config import ClientConfig
from pocketkube.client.credentials import Credentials
from pocketkube.client.earlier import Earlier
from pocketkube.client.resources import Resource
from pocketkube.client.transport import Transport

Obj = dict[str, Any]

PATCH_TYPES = {
    "json": b"application/json-patch+json",
    "merge": b"application/merge-patch+json",
    "strategic": b"application/strategic-merge-patch+json",
    "apply": b"application/apply-patch+yaml",
}
RETRIES = 10  # of a request that the server refused with Retry-After, as client-go
REQUEST_SECONDS = 60.0

_JSON = b"application/json"


class Sending(TypedDict, total=False):
    """What a request may carry. `body` is a JSON value, or bytes that go as they are; `timeout` seconds until the answer begins."""

    body: Any
    params: Mapping[str, Any] | None
    headers: Mapping[str, str] | None
    timeout: float | None
    content_type: bytes


def full_user_agent(component: str) -> str:
    """How components name themselves: `kubelet/v1.37.0 (linux/amd64) pocketkube`."""
    return f"{component}/v1.37.0 (linux/amd64) pocketkube"


class Client:
    """`Client(config.load(path), user_agent="kubelet")`. Keyword parameters of list and watch are the wire's own names:
    `client.list(PODS, labelSelector="app=web", limit=500)`. Close it with aclose()."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        user_agent: str = "pocketkube",
        connections: int = 32,
        transport: httpx.AsyncBaseTransport | None = None,
        earlier: Earlier | None = None,
    ):
        self.config = config
        self.earlier = earlier or Earlier()  # shared by the clients of one server
        self._credentials = Credentials(config)
        self._url = httpx.URL(config.server)
        self._prefix = self._url.path.rstrip("/")
        agent = user_agent if "/" in user_agent else full_user_agent(user_agent)
        self._base = [(b"Host", self._url.netloc), (b"User-Agent", agent.encode())]
        self._base += _impersonation(config)
        self.on_warning: Callable[[str], None] | None = None  # told what the server says beside its answers
        self._common: dict[bytes, list[tuple[bytes, bytes]]] = {}  # a content type's headers, while they stay the same
        self._requests = transport or self._transport(connections)
        self._streams = transport or self._transport(1 << 20)

    def _transport(self, limit: int) -> httpx.AsyncBaseTransport:
        if self.config.proxy_url:
            limits = httpx.Limits(max_connections=limit, max_keepalive_connections=32)
            verify: Any = self._credentials.context() or True
            return httpx.AsyncHTTPTransport(verify=verify, limits=limits, proxy=self.config.proxy_url)
        return Transport(self._credentials.context, server_name=self.config.tls_server_name, limit=limit)

    async def aclose(self) -> None:
        await self._requests.aclose()
        if self._streams is not self._requests:
            await self._streams.aclose()

    # --- one object

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = "", **params: Any
    ) -> Obj:
        return await self._object("GET", resource, (namespace, name, subresource), params=params)

    async def create(
        self,
        resource: Resource,
        obj: Obj,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
        **params: Any,
    ) -> Obj:
        """POSTs to the collection, or with `name` and `subresource` to `pods/x/binding` and the like."""
        namespace = namespace or obj.get("metadata", {}).get("namespace", "")
        return await self._object("POST", resource, (namespace, name, subresource), body=obj, params=params)

    async def update(self, resource: Resource, obj: Obj, *, subresource: str = "", **params: Any) -> Obj:
        meta = obj["metadata"]
        place = (meta.get("namespace", ""), meta["name"], subresource)
        return await self._object("PUT", resource, place, body=obj, params=params)

    async def update_status(self, resource: Resource, obj: Obj) -> Obj:
        return await self.update(resource, obj, subresource="status")

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        *,
        namespace: str = "",
        type: str = "merge",
        subresource: str = "",
        **params: Any,
    ) -> Obj:
        """`type` is merge, strategic, json (a list of operations) or apply (needs fieldManager=, knows force=True)."""
        place = (namespace, name, subresource)
        return await self._object("PATCH", resource, place, body=patch, params=params, content_type=PATCH_TYPES[type])

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        grace: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        **params: Any,
    ) -> Obj:
        """The server's answer: a Status, or the object if it is still there. `propagation` as in DeleteOptions."""
        options = _delete_options(grace, propagation, uid, resource_version)
        return await self._object("DELETE", resource, (namespace, name, ""), body=options, params=params)

    async def _object(
        self,
        method: str,
        resource: Resource,
        place: tuple[str, str, str],
        *,
        body: Any = None,
        params: Mapping[str, Any],
        content_type: bytes = _JSON,
    ) -> Obj:
        """A request about one object at (namespace, name, subresource), or to its collection without a name."""
        earlier = self.earlier
        path = earlier.served(resource).path(*place)
        body = earlier.sent(resource, body)
        return earlier.received(
            resource, await self.request(method, path, body=body, params=params, content_type=content_type)
        )

    # --- many objects

    async def list(self, resource: Resource, namespace: str = "", **params: Any) -> Obj:
        """The list as it is answered. Items get no kind and apiVersion by the server; see `items`."""
        return await self._object("GET", resource, (namespace, "", ""), params=params)

    async def items(
        self, resource: Resource, namespace: str = "", *, limit: int = 500, **params: Any
    ) -> builtins.list[Obj]:
        """All objects of a list, read page by page, each with its kind and apiVersion."""
        found: list[Obj] = []
        token = ""
        for _ in range(100_000):
            page = await self.list(resource, namespace, limit=limit, **{"continue": token}, **params)
            found += typed(resource, page.get("items") or [])
            token = page.get("metadata", {}).get("continue") or ""
            if not token:
                return found
        raise errors.InternalError("the list has no end")

    async def delete_collection(
        self, resource: Resource, namespace: str = "", *, propagation: str | None = None, **params: Any
    ) -> Obj:
        options = _delete_options(None, propagation, None, None)
        return await self._object("DELETE", resource, (namespace, "", ""), body=options, params=params)

    async def watch(self, resource: Resource, namespace: str = "", **params: Any) -> AsyncIterator[tuple[str, Obj]]:
        """(type, object) pairs, BOOKMARKs included, until the server ends the watch. An ERROR event is raised as errors.*."""
        path = self.earlier.served(resource).path(namespace)
        async with self.stream("GET", path, params={"watch": "true", **params}) as response:
            async for line in lines(response):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise errors.from_status(event["object"])
                yield event["type"], self.earlier.received(resource, event["object"])

    # --- below the verbs

    async def request(self, method: str, path: str, **sending: Unpack[Sending]) -> Obj:
        """The answer's JSON ({} if empty)."""
        content = await self.raw(method, path, **sending)
        answer = orjson.loads(content) if content else {}
        return answer if isinstance(answer, dict) else {"value": answer}

    async def raw(self, method: str, path: str, **sending: Unpack[Sending]) -> bytes:
        """The answer's bytes. Raises errors.* for a status of 400 and more; waits and repeats where the server asks for it."""
        response = await self.respond(method, path, **sending)
        if response.status_code >= 400:
            raise _error(response.status_code, response.content, response.headers)
        return response.content

    async def respond(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        content_type: bytes = _JSON,
    ) -> httpx.Response:
        """The whole response, read, whatever its status; for those who need its headers."""
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        target = self._target(path, params)
        extensions = {"target": target, "timeout": {"read": timeout or REQUEST_SECONDS}}
        for attempt in range(RETRIES + 1):
            request = await self._request(method, content, content_type, headers, extensions)
            response = await self._requests.handle_async_request(request)
            await response.aread()
            if response.status_code == 401 and not attempt and self._credentials.refused():
                continue
            wait = _retry_after(response)
            if wait is None or attempt == RETRIES:
                break
            await asyncio.sleep(wait)
        if self.on_warning is not None and "warning" in response.headers:
            for text in _warnings(response.headers):
                self.on_warning(text)
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> AsyncIterator[httpx.Response]:
        """The response once its headers came; read it with aiter_raw(). `timeout` bounds nothing after that. A `body` of bytes is sent as
        it is. Without `check` a refusal is a response like any other."""
        content = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        extensions = {"target": self._target(path, params), "stream": True, "timeout": {"read": REQUEST_SECONDS}}
        request = await self._request(method, content, _JSON, headers, extensions)
        if self.config.proxy_url:
            request.extensions["timeout"] = {"connect": 10.0}
        response = await self._streams.handle_async_request(request)
        try:
            if check and response.status_code >= 400:
                raise _error(response.status_code, await response.aread(), response.headers)
            yield response
        finally:
            await response.aclose()

    def _target(self, path: str, params: Mapping[str, Any] | None) -> bytes:
        path = self._prefix + path
        if not path.isascii() or " " in path:
            path = quote(path, safe="/:@!$&'()*+,;=~?%")
        if params:
            sent = [(k, _text(v)) for k, v in params.items() if v is not None and v != ""]
            if sent:
                path = f"{path}{'&' if '?' in path else '?'}{urlencode(sent)}"
        return path.encode()

    async def _request(
        self,
        method: str,
        content: bytes,
        content_type: bytes,
        headers: Mapping[str, str] | None,
        extensions: Mapping[str, Any],
    ) -> httpx.Request:
        common = self._common.get(content_type)
        if common is None or not self._credentials.constant:
            common = self._common[content_type] = await self._headers(content_type)
        if content or method in ("POST", "PUT", "PATCH"):
            common = [*common, (b"Content-Length", b"%d" % len(content))]
        sent = httpx.Headers(common)
        if headers:
            sent.update(headers)
        return httpx.Request(
            method, self._url, headers=sent, stream=httpx.ByteStream(content), extensions=dict(extensions)
        )

    async def _headers(self, content_type: bytes) -> builtins.list[tuple[bytes, bytes]]:
        found = [*self._base, (b"Accept", _JSON), (b"Content-Type", content_type)]
        if authorization := await self._credentials.authorization():
            found.append((b"Authorization", authorization))
        return found


def typed(resource: Resource, items: list[Obj]) -> list[Obj]:
    """Fills in kind and apiVersion, which lists leave out of their items. The items are ours: they just came off the wire."""
    for item in items:
        item.setdefault("kind", resource.kind)
        item.setdefault("apiVersion", resource.api_version)
    return items


async def lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """The non-empty lines of a streamed body, without their ends."""
    rest: list[bytes] = []
    async for data in response.aiter_raw():
        *whole, last = data.split(b"\n")
        if whole:
            if rest:
                rest.append(whole[0])
                whole[0] = b"".join(rest)
                rest = []
            for line in whole:
                if line:
                    yield line
        if last:
            rest.append(last)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _impersonation(config: ClientConfig) -> list[tuple[bytes, bytes]]:
    if not config.impersonate:
        return []
    groups = [(b"Impersonate-Group", g.encode()) for g in config.impersonate_groups]
    return [(b"Impersonate-User", config.impersonate.encode()), *groups]


def _delete_options(
    grace: int | None, propagation: str | None, uid: str | None, resource_version: str | None
) -> Obj | None:
    options: Obj = {}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if propagation is not None:
        options["propagationPolicy"] = propagation
    preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v is not None}
    if preconditions:
        options["preconditions"] = preconditions
    return {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds until the server wants the same request again; None if it does not."""
    if response.status_code != 429 and response.status_code < 500:
        return None
    value = response.headers.get("retry-after", "")
    return min(float(value), 30.0) if value.isdigit() else None


def _warnings(headers: httpx.Headers) -> builtins.list[str]:
    """The texts of `Warning: 299 - "text"` headers, several of which may share a line."""
    found = re.findall(r'\b299 \S+ "((?:[^"\\]|\\.)*)"', ", ".join(headers.get_list("warning")))
    return [re.sub(r"\\(.)", r"\1", text) for text in found]


def _error(code: int, content: bytes, headers: httpx.Headers) -> errors.StatusError:
    """The typed error of an answer, be it a Status or (from a proxy in between) any other text."""
    try:
        status = orjson.loads(content)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = content[:1024].decode(errors="replace").strip()
        if code == 404:  # a path that the server has nothing for
            text = "the server could not find the requested resource"
        status = {"message": text or f"the server answered {code}", "code": code}
    error = errors.from_status(status, code)
    if (after := headers.get("retry-after", "")).isdigit():
        error.details.setdefault("retryAfterSeconds", int(after))
    return error
