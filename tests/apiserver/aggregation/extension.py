"""A little extension server: it believes the front proxy alone, and serves gadgets with watch, discovery and OpenAPI."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import orjson
from cryptography import x509
from cryptography.x509.oid import NameOID

from pocketkube.base import serving, tls
from tests.certificates import Pki

Obj = dict[str, Any]

GROUP, VERSION = "gadgets.example.com", "v1"
PATH = f"/apis/{GROUP}/{VERSION}"

_RESOURCES = [
    {"name": "gadgets", "singularName": "gadget", "namespaced": True, "kind": "Gadget", "shortNames": ["gg"],
     "verbs": ["create", "get", "list", "watch"]},
    {"name": "gadgets/status", "singularName": "", "namespaced": True, "kind": "Gadget", "verbs": ["get"]},
]  # fmt: skip
_OPENAPI_V2 = {
    "swagger": "2.0",
    "info": {"title": "gadgets", "version": "v1"},
    "paths": {
        f"{PATH}/gadgets": {"get": {"responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Gadget"}}}}},
        "/version/": {"get": {"responses": {"200": {"description": "OK"}}}},
    },
    "definitions": {
        "Gadget": {"type": "object", "properties": {"size": {"$ref": "#/definitions/Size"}}},
        "Size": {"type": "integer"},
        "Unused": {"type": "string"},
    },
}  # fmt: skip


class Extension:
    """`seen` are the requests for gadgets: (method, path, headers); `gadgets` what it keeps."""

    def __init__(self, pki: Pki, *, proxy: str = "client"):
        self._pki, self._proxy = pki, proxy
        self.seen: list[tuple[str, str, list[tuple[bytes, bytes]]]] = []
        self.gadgets: list[Obj] = []
        self.watching = 0
        self.left = asyncio.Event()  # a watch has ended
        self.more = asyncio.Event()  # a gadget was made
        self.delay: asyncio.Event | None = None  # what a GET of a gadget waits for

    async def run(self, host: str, port: int, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
        context = tls.server_context(self._pki.server, self._pki.server_key, self._pki.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        await serving.serve(self, host=host, port=port, tls=context, stop=stop, on_ready=ready.set, shutdown_seconds=1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if "/gadgets" in scope["path"]:
            self.seen.append((scope["method"], scope["path"], scope["headers"]))
        if not self._trusted(scope):
            await _answer(send, 401, {"kind": "Status", "code": 401, "status": "Failure", "reason": "Unauthorized"})
        elif "pocketkube.upgrade" in scope["extensions"]:
            await _echo(scope)
        elif scope["path"].startswith(f"{PATH}/namespaces/default/gadgets"):
            await self._gadgets(scope, receive, send)
        else:
            await self._document(scope, send)

    def _trusted(self, scope: Any) -> bool:
        der = scope["extensions"]["pocketkube.tls"]["peer_certificate"]
        if der is None:
            return False
        names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return names[0].value == self._proxy and any(name == b"x-remote-user" for name, _ in scope["headers"])

    async def _document(self, scope: Any, send: Any) -> None:
        paths = {PATH.removeprefix("/"): {"serverRelativeURL": f"/openapi/v3{PATH}?hash=1"}}
        documents: dict[str, Obj] = {
            PATH: {"kind": "APIResourceList", "groupVersion": f"{GROUP}/{VERSION}", "resources": _RESOURCES},
            "/openapi/v2": _OPENAPI_V2,
            "/openapi/v3": {"paths": {**paths, "version": {"serverRelativeURL": "/openapi/v3/version"}}},
            f"/openapi/v3{PATH}": {"openapi": "3.0.0", "info": {"title": "gadgets"}, "paths": {}},
        }
        found = documents.get(scope["path"])
        await _answer(send, 200 if found else 404, found or {"kind": "Status", "code": 404})

    async def _gadgets(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            self.gadgets.append(orjson.loads(body))
            self.more.set()
            await _answer(send, 201, self.gadgets[-1])
        elif b"watch=" in scope["query_string"]:
            await self._watch(scope, receive, send)
        else:
            if self.delay is not None:
                await self.delay.wait()
            await _answer(send, 200, {"kind": "GadgetList", "items": self.gadgets})

    async def _watch(self, scope: Any, receive: Any, send: Any) -> None:
        self.watching += 1
        gone = asyncio.Event()
        scope["extensions"]["pocketkube.disconnect"](gone.set)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        told = 0
        try:
            while not gone.is_set():
                while told < len(self.gadgets):
                    line = orjson.dumps({"type": "ADDED", "object": self.gadgets[told]}) + b"\n"
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                    told += 1
                self.more.clear()
                waits = [asyncio.create_task(event.wait()) for event in (gone, self.more)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.watching -= 1
            self.left.set()


async def _answer(send: Any, status: int, value: Obj) -> None:
    data = orjson.dumps(value)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), (b"x-by", b"extension")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def _echo(scope: Any) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    reader, writer = await scope["extensions"]["pocketkube.upgrade"](head)
    while data := await reader.read(1000):
        writer.write(data.upper())
    writer.close()
