"""The kubelet's HTTP API: for the API server on 10250, authenticated; a part of it for this host alone on 10255; health on 10248."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from kubelet import metrics as own
from kubelet.pods import spec
from kubelet.pods.manager import PodManager
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import ContainerRecord, EngineDown, Runtime, RuntimeFailure
from kubelet.server import logs, port_forward, remote_command
from kubelet.server.authentication import Gate
from kubelet.server.channels import SPDY_PROTOCOLS, WEBSOCKET_PROTOCOLS, Channels, SpdyChannels, WebSocketChannels
from kubelet.server.stats import Stats
from kubelet.server.websocket import Tunnel, WebSocket, choose, handshake
from pocketkube.api.meta import errors
from pocketkube.base import metrics
from pocketkube.base.clock import Clock
from pocketkube.base.spdy import Session, SpdyError

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Send = Callable[[Obj], Awaitable[None]]

READ_ONLY = ("pods", "runningpods", "stats", "metrics", "healthz", "configz")


@dataclass(slots=True)
class Request:
    """`query` keeps repeated parameters in order."""

    scope: Obj
    send: Send
    method: str
    parts: list[str]
    query: list[tuple[str, str]]
    headers: dict[str, str]

    def value(self, *names: str) -> str:
        return next((v for k, v in self.query if k in names), "")

    def flag(self, *names: str) -> bool:
        return self.value(*names).lower() in ("1", "true", "t")

    @property
    def upgrade(self) -> str:
        wants = "upgrade" in self.headers.get("connection", "").lower()
        return self.headers.get("upgrade", "").lower() if wants else ""


class KubeletServer:
    """An ASGI application; `gate` None serves the read-only part without asking who it is."""

    def __init__(
        self,
        runtime: Runtime,
        manager: PodManager,
        stats: Stats,
        clock: Clock,
        *,
        gate: Gate | None,
        settings: Callable[[], Obj] = dict,
    ) -> None:
        self._runtime, self._manager, self._stats, self._clock = runtime, manager, stats, clock
        self._gate, self._settings = gate, settings
        self._routes: dict[str, Callable[[Request], Awaitable[None]]] = {
            "healthz": self._healthz,
            "pods": self._pods,
            "runningpods": self._running_pods,
            "containerLogs": self._logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._port_forward,
            "run": self._run,
            "stats": self._summary,
            "metrics": self._metrics,
            "configz": self._configz,
        }

    async def __call__(self, scope: Obj, receive: Callable[[], Awaitable[Obj]], send: Send) -> None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        parts = [p for p in scope["path"].split("/") if p]
        request = Request(scope, send, scope["method"], parts, query, headers)
        try:
            await self._serve(request)
        except errors.StatusError as e:
            await _answer(request, e.message.encode(), "text/plain; charset=utf-8", e.code)
        except EngineDown as e:
            await _answer(request, str(e).encode(), "text/plain; charset=utf-8", 503)
        except RuntimeFailure as e:
            await _answer(request, str(e).encode(), "text/plain; charset=utf-8", 500)

    async def _serve(self, request: Request) -> None:
        name = request.parts[0] if request.parts else ""
        route = self._routes.get(name)
        if self._gate is not None:
            certificate = (request.scope.get("extensions") or {}).get("pocketkube.tls", {}).get("peer_certificate")
            await self._gate.admit(
                method=request.method,
                path=request.scope["path"],
                authorization=request.headers.get("authorization", ""),
                certificate=certificate,
            )
        elif name not in READ_ONLY:
            route = None
        if route is None:
            raise errors.NotFound("404 page not found")
        await route(request)

    # plain answers

    async def _healthz(self, request: Request) -> None:
        await _answer(request, b"ok", "text/plain; charset=utf-8")

    async def _pods(self, request: Request) -> None:
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._manager.pods()}
        await _answer(request, orjson.dumps(pods), "application/json")

    async def _running_pods(self, request: Request) -> None:
        items = [
            {
                "metadata": {k: w.pod["metadata"].get(k) for k in ("name", "namespace", "uid")},
                "spec": {"containers": [{"name": r.name, "image": r.image} for r in w.records.running()]},
                "status": {},
            }
            for w in self._manager.workers.values()
            if w.records.running()
        ]
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        await _answer(request, orjson.dumps(pods), "application/json")

    async def _summary(self, request: Request) -> None:
        await _answer(request, orjson.dumps(await self._stats.summary()), "application/json")

    async def _metrics(self, request: Request) -> None:
        own.RUNNING_PODS.set(sum(bool(w.records.running()) for w in self._manager.workers.values()))
        running = sum(len(w.records.running()) for w in self._manager.workers.values())
        own.RUNNING_CONTAINERS.labels("running").set(running)
        text = await self._stats.metrics() if len(request.parts) > 1 else metrics.render()
        await _answer(request, text, metrics.CONTENT_TYPE)

    async def _configz(self, request: Request) -> None:
        await _answer(request, orjson.dumps({"kubeletconfig": self._settings()}), "application/json")

    # pods

    def _find(self, request: Request) -> tuple[PodWorker, str]:
        """The pod of `/verb/namespace/pod[/uid]/container`, and the container's name. Raises NotFound."""
        if len(request.parts) not in (4, 5):
            raise errors.NotFound("404 page not found")
        _, namespace, pod, *more = request.parts
        worker = self._manager.find(namespace, pod, more[0] if len(more) == 2 else "")
        if worker is None:
            raise errors.NotFound(f'pod "{pod}" does not exist')
        return worker, more[-1]

    def _running(self, request: Request) -> tuple[PodWorker, ContainerRecord]:
        worker, name = self._find(request)
        record = next((r for r in worker.records.running() if r.name == name), None)
        if record is None:
            if spec.container(worker.pod, name) is None:
                raise errors.NotFound(f'container "{name}" not found in pod "{spec.full_name(worker.pod)}"')
            raise errors.InternalError(f'container not found ("{name}")')
        return worker, record

    async def _logs(self, request: Request) -> None:
        worker, name = self._find(request)
        wanted = logs.parse(dict(request.query), self._clock)
        record = logs.choose(worker, name, previous=wanted.previous)
        lines = logs.read(self._runtime, record, wanted)
        first = await anext(lines, b"")
        await request.send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
        )
        await request.send({"type": "http.response.body", "body": first, "more_body": True})
        gone = asyncio.Event()
        listen = (request.scope.get("extensions") or {}).get("pocketkube.disconnect")
        if listen is not None:
            listen(gone.set)
        watching = asyncio.create_task(gone.wait())
        try:
            while True:
                following = asyncio.ensure_future(anext(lines, None))
                await asyncio.wait({following, watching}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    break
                data = following.result()
                if data is None:
                    break
                await request.send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            watching.cancel()
            await lines.aclose()  # type: ignore[attr-defined]
        await request.send({"type": "http.response.body", "body": b""})

    async def _run(self, request: Request) -> None:
        _, record = self._running(request)
        command = request.value("cmd").split()
        code, output = await self._runtime.exec_command(record, command, seconds=60.0)
        await _answer(request, output, "text/plain; charset=utf-8", 200 if code == 0 else 500)

    # streams

    async def _exec(self, request: Request) -> None:
        _, record = self._running(request)
        command = [v for k, v in request.query if k == "command"]
        if not command:
            raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr and a command")
        wanted = _streams(request)
        channels = await self._upgrade(request, **wanted)
        try:
            session = await self._runtime.open_exec(record, command, **wanted)
        except RuntimeFailure as e:
            await remote_command.refuse(channels, str(e))
            return
        await remote_command.join(channels, session, tty=wanted["tty"])

    async def _attach(self, request: Request) -> None:
        _, record = self._running(request)
        wanted = _streams(request)
        channels = await self._upgrade(request, **wanted)
        try:
            session = await self._runtime.open_attach(
                record, stdin=wanted["stdin"], stdout=wanted["stdout"], stderr=wanted["stderr"]
            )
        except RuntimeFailure as e:
            await remote_command.refuse(channels, str(e))
            return
        await remote_command.join(channels, session, tty=record.tty)

    async def _upgrade(self, request: Request, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> Channels:
        """Take the connection over and agree on a protocol. Raises BadRequest."""
        hijack = request.scope["extensions"].get("pocketkube.upgrade")
        if request.upgrade == "websocket" and hijack:
            protocol = choose(_offered(request, "sec-websocket-protocol") or [""], WEBSOCKET_PROTOCOLS)
            if protocol is None:
                raise errors.BadRequest("none of the offered subprotocols is supported")
            key = request.headers.get("sec-websocket-key", "").encode()
            return WebSocketChannels(WebSocket(*await hijack(handshake(key, protocol))), protocol)
        if request.upgrade == "spdy/3.1" and hijack:
            protocol = choose(_offered(request, "x-stream-protocol-version") or ["channel.k8s.io"], SPDY_PROTOCOLS)
            if protocol is None:
                raise errors.Forbidden(f"none of the offered protocols is supported: {', '.join(SPDY_PROTOCOLS)}")
            session = Session(*await hijack(_spdy_head(protocol)), server=True)
            self._sessions.add(task := asyncio.create_task(session.run(), name="SPDY session"))
            task.add_done_callback(self._sessions.discard)
            channels = SpdyChannels(session, protocol)
            try:
                await channels.open(remote_command.wanted_channels(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty))
            except (TimeoutError, SpdyError) as e:
                await session.close()
                raise ConnectionError(f"streams not made: {e}") from e
            return channels
        raise errors.BadRequest("Upgrade request required")

    _sessions: set[asyncio.Task[None]] = set()  # noqa: RUF012  held so that they are not collected

    async def _port_forward(self, request: Request) -> None:
        _, namespace, pod, *uid = request.parts if len(request.parts) in (3, 4) else ["", "", ""]
        worker = self._manager.find(namespace, pod, uid[0] if uid else "")
        if worker is None:
            raise errors.NotFound(f'pod "{pod}" does not exist')
        sandbox = worker.records.sandbox()
        if sandbox is None or sandbox.state != "running":
            raise errors.BadRequest(f'pod "{pod}" is not running')
        running = sandbox

        async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await self._runtime.connect_port(running, port)

        hijack = request.scope["extensions"].get("pocketkube.upgrade")
        if request.upgrade == "spdy/3.1" and hijack:
            session = Session(*await hijack(_spdy_head(port_forward.SPDY_PROTOCOL)), server=True)
            await port_forward.over_spdy(session, connect)
        elif request.upgrade == "websocket" and hijack:
            await self._forward_over_websocket(request, hijack, connect)
        else:
            raise errors.BadRequest("Upgrade request required")

    async def _forward_over_websocket(self, request: Request, hijack: Any, connect: port_forward.Connect) -> None:
        protocol = choose(_offered(request, "sec-websocket-protocol") or [""], port_forward.WEBSOCKET_PROTOCOLS)
        if protocol is None:
            raise errors.BadRequest("none of the offered subprotocols is supported")
        key = request.headers.get("sec-websocket-key", "").encode()
        socket = WebSocket(*await hijack(handshake(key, protocol)))
        if protocol == port_forward.TUNNEL_PROTOCOL:
            tunnel = Tunnel(socket)
            await port_forward.over_spdy(Session(tunnel, tunnel, server=True), connect)
            return
        stated = [v for k, v in request.query if k in ("port", "ports")]
        await port_forward.over_channels(socket, [int(p) for text in stated for p in text.split(",") if p], connect)


def _streams(request: Request) -> dict[str, bool]:
    """Both spellings: the API's own and the one that API servers use towards kubelets."""
    tty = request.flag("tty")
    return {
        "stdin": request.flag("stdin", "input"),
        "stdout": request.flag("stdout", "output"),
        "stderr": request.flag("stderr", "error") and not tty,
        "tty": tty,
    }


def _offered(request: Request, header: str) -> list[str]:
    """Of all headers of that name: clients send one a protocol."""
    name = header.encode()
    values = [v.decode("latin-1") for k, v in request.scope["headers"] if k == name]
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _spdy_head(protocol: str) -> bytes:
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Connection: Upgrade",
        "Upgrade: SPDY/3.1",
        f"X-Stream-Protocol-Version: {protocol}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


async def _answer(request: Request, body: bytes, kind: str, status: int = 200) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await request.send({"type": "http.response.start", "status": status, "headers": headers})
    await request.send({"type": "http.response.body", "body": body})
