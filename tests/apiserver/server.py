"""An API server in this process over a memory store, and a client that calls its ASGI application without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

from apiserver import bootstrap
from apiserver.app import Server
from apiserver.options import Options
from apiserver.registry.crds import Definitions
from apiserver.storage.interface import Store
from apiserver.storage.memory import MemoryStore
from pocketkube.base import tasks

Obj = dict[str, Any]

WAIT_SECONDS = 10.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    warnings: list[str]

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json().get("message", ""))


class Stream:
    """A watch under way."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._lines: list[bytes] = []
        self.disconnected: list[Any] = []
        self.task: asyncio.Task[None] | None = None

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
            self.started.set()
            return
        if message.get("body"):
            self._chunks.put_nowait(message["body"])
        if not message.get("more_body"):
            self.ended.set()
            self._chunks.put_nowait(b"")

    async def next(self) -> Obj:
        """The next event. Raises EOFError at the stream's end."""
        while not self._lines:
            async with asyncio.timeout(WAIT_SECONDS):
                chunk = await self._chunks.get()
            if not chunk:
                raise EOFError
            self._lines += chunk.splitlines()
        event: Obj = orjson.loads(self._lines.pop(0))
        return event

    async def take(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(e["type"], e["object"]["metadata"].get("name", "")) for e in events]

    def leave(self) -> None:
        """The client goes away."""
        for callback in self.disconnected:
            callback()


class Client:
    def __init__(self, server: Server, token: str = "admin-token"):
        self.server = server
        self.token = token

    def acting_as(self, token: str) -> Client:
        return Client(self.server, token)

    def _scope(self, method: str, path: str, headers: dict[str, str], size: int) -> Obj:
        path, _, query = path.partition("?")
        given = {"authorization": f"Bearer {self.token}", "accept": "application/json", **headers}
        if size:
            given["content-length"] = str(size)
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "https",
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in given.items() if v],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 6443),
            "extensions": {"pocketkube.tls": {"peer_certificate": None}},
            "state": {},
        }

    async def __call__(
        self, method: str, path: str, body: Any = None, *, media: str = "application/json", **headers: str
    ) -> Answer:
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        if body is not None:
            headers["content-type"] = media
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.server.app(self._scope(method, path, named, len(data)), receive, send)
        head = sent[0]
        shown = {k.decode("latin-1"): v.decode("latin-1") for k, v in head["headers"]}
        warnings = [v.decode("latin-1") for k, v in head["headers"] if k == b"warning"]
        return Answer(head["status"], shown, b"".join(m.get("body", b"") for m in sent[1:]), warnings)

    async def ok(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        """The JSON of an answer that must be a success."""
        answer = await self(method, path, body, **more)
        assert answer.status < 300, (answer.status, answer.body[:2000])
        return answer.json()

    async def apply(self, path: str, config: Obj, **params: str) -> Answer:
        query = "&".join(f"{k}={v}" for k, v in {"fieldManager": "tester", **params}.items())
        body = yaml.safe_dump(config).encode()
        return await self("PATCH", f"{path}?{query}", body, media="application/apply-patch+yaml")

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[Stream]:
        stream = Stream()
        scope = self._scope("GET", path, headers, 0)
        scope["extensions"]["pocketkube.disconnect"] = lambda call, *, stopping=True: stream.disconnected.append(call)

        async def receive() -> Any:
            await asyncio.Event().wait()

        stream.task = asyncio.create_task(self.server.app(scope, receive, stream.send))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await stream.started.wait()
            yield stream
        finally:
            stream.leave()
            async with asyncio.timeout(WAIT_SECONDS):
                await stream.task


@asynccontextmanager
async def running(folder: Path, store: Store | None = None, **flags: Any) -> AsyncIterator[Client]:
    """A bootstrapped server. Tokens: admin-token (system:masters), user-token (a user without rights)."""
    tokens = folder / "tokens.csv"
    tokens.write_text('admin-token,admin,1,"system:masters"\nuser-token,ann,2,"staff"\n')
    options = Options(token_auth_file=str(tokens), advertise_address="192.0.2.1", **flags)
    server = Server(options, store or MemoryStore())
    beside = {
        "watch cache": server.registry.cache.run(),
        "aggregated APIs": server.aggregation.run(),
        "definitions": Definitions(server.registry, server.cluster).run(),
        "bootstrap": bootstrap.run(server.api, server.cluster, port=6443, on_ready=lambda: None),
    }
    task = asyncio.create_task(tasks.run_tasks(beside))
    try:
        async with asyncio.timeout(30):
            while not server.api.bootstrapped:
                await asyncio.sleep(0)
                await server.registry.cache.wait_ready()
        yield Client(server)
    finally:
        await tasks.cancel(task)
        await server.close()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until what runs beside the requests has come to it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await check():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0)


def pod(name: str = "p", **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "busybox"}], **spec},
    }


def config_map(name: str = "c", *, labels: dict[str, str] | None = None, **data: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "data": data,
    }


def deployment(name: str = "web", *, replicas: int = 1) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }
