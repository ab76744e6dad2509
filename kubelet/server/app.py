"""The kubelet's HTTP API: for the API server on 10250, authenticated; a part of it for this host alone on 10255; health on 10248."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kubelet import metrics as own
from kubelet.pods import spec
from kubelet.pods.manager import PodManager
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import ContainerRecord, EngineDown, Runtime, RuntimeFailure
from kubelet.server import files, logs, remote_command, upgrade
from kubelet.server.authentication import Gate
from kubelet.server.request import Request, Send
from kubelet.stats import prometheus
from kubelet.stats.summary import Stats
from pocketkube.api.meta import errors
from pocketkube.base import metrics
from pocketkube.base.clock import Clock

Obj = dict[str, Any]

READ_ONLY = ("pods", "runningpods", "stats", "metrics", "healthz", "configz")


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
            "logs": files.answer,
            "stats": self._summary,
            "metrics": self._metrics,
            "configz": self._configz,
        }

    async def __call__(self, scope: Obj, receive: Callable[[], Awaitable[Obj]], send: Send) -> None:
        request = Request.of(scope, send)
        try:
            await self._serve(request)
        except errors.StatusError as e:
            await request.answer(e.message.encode(), status=e.code)
        except EngineDown as e:
            await request.answer(str(e).encode(), status=503)
        except RuntimeFailure as e:
            await request.answer(str(e).encode(), status=500)

    async def _serve(self, request: Request) -> None:
        name = request.parts[0] if request.parts else ""
        route = self._routes.get(name)
        if self._gate is not None:
            await self._gate.admit(
                method=request.method,
                path=request.scope["path"],
                authorization=request.headers.get("authorization", ""),
                certificate=request.certificate,
            )
        elif name not in READ_ONLY:
            route = None
        if route is None:
            raise errors.NotFound("404 page not found")
        await route(request)

    # plain answers

    async def _healthz(self, request: Request) -> None:
        await request.answer(b"ok")

    async def _pods(self, request: Request) -> None:
        await request.answer_object(_pod_list(self._manager.pods()))

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
        await request.answer_object(_pod_list(items))

    async def _summary(self, request: Request) -> None:
        await request.answer_object(await self._stats.summary())

    async def _metrics(self, request: Request) -> None:
        own.RUNNING_PODS.set(sum(bool(w.records.running()) for w in self._manager.workers.values()))
        running = sum(len(w.records.running()) for w in self._manager.workers.values())
        own.RUNNING_CONTAINERS.labels("running").set(running)
        text = prometheus.render(await self._stats.summary()) if len(request.parts) > 1 else metrics.render()
        await request.answer(text, metrics.CONTENT_TYPE)

    async def _configz(self, request: Request) -> None:
        await request.answer_object({"kubeletconfig": self._settings()})

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
        await logs.answer(request, logs.read(self._runtime, record, wanted))

    async def _run(self, request: Request) -> None:
        _, record = self._running(request)
        command = request.value("cmd").split()
        code, output = await self._runtime.exec_command(record, command, seconds=60.0)
        await request.answer(output, status=200 if code == 0 else 500)

    # streams

    async def _exec(self, request: Request) -> None:
        _, record = self._running(request)
        command = request.values("command")
        if not command:
            raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr and a command")
        wanted = upgrade.wanted_streams(request)
        channels = await upgrade.open_channels(request, wanted)
        try:
            session = await self._runtime.open_exec(record, command, **wanted)
        except RuntimeFailure as e:
            await remote_command.refuse(channels, str(e))
            return
        await remote_command.join(channels, session, tty=wanted["tty"])

    async def _attach(self, request: Request) -> None:
        _, record = self._running(request)
        wanted = upgrade.wanted_streams(request)
        channels = await upgrade.open_channels(request, wanted)
        try:
            session = await self._runtime.open_attach(
                record, stdin=wanted["stdin"], stdout=wanted["stdout"], stderr=wanted["stderr"]
            )
        except RuntimeFailure as e:
            await remote_command.refuse(channels, str(e))
            return
        await remote_command.join(channels, session, tty=record.tty)

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

        await upgrade.forward_ports(request, connect)


def _pod_list(items: list[Obj]) -> Obj:
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
