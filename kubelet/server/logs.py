"""A container's log as the API serves it: which attempt, from where, how much, with or without times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from kubelet.pods import spec
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import ContainerRecord, LogOptions, Runtime
from kubelet.server.request import Request
from pocketkube.api.meta import errors, times
from pocketkube.base.clock import Clock

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for a log. `limit` is bytes, None for all."""

    options: LogOptions
    previous: bool = False
    limit: int | None = None


def parse(query: Mapping[str, str], clock: Clock) -> Wanted:
    """PodLogOptions from a query. Raises BadRequest."""
    try:
        since = 0.0
        if query.get("sinceSeconds"):
            since = clock.now().timestamp() - int(query["sinceSeconds"])
        elif query.get("sinceTime"):
            since = times.parse(query["sinceTime"]).timestamp()
        tail = int(query["tailLines"]) if query.get("tailLines") else None
        limit = int(query["limitBytes"]) if query.get("limitBytes") else None
    except ValueError as e:
        raise errors.BadRequest(f"invalid log options: {e}") from e
    stream = (query.get("stream") or "All").lower()
    options = LogOptions(
        follow=_true(query, "follow"), timestamps=_true(query, "timestamps"), since=since, tail=tail, stream=stream
    )
    return Wanted(options, _true(query, "previous"), limit)


def _true(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1", "t")


def choose(worker: PodWorker, name: str, *, previous: bool) -> ContainerRecord:
    """The attempt whose log is wanted. Raises NotFound, BadRequest."""
    pod = worker.pod["metadata"]["name"]
    if spec.container(worker.pod, name) is None:
        raise errors.BadRequest(f"container {name} is not valid for pod {pod}")
    attempts = [r for r in worker.records.attempts(name) if r.state != "created"]
    if previous:
        if len(attempts) > 1:
            return attempts[1]
        if attempts and attempts[0].state == "exited" and _waits(worker, name):
            return attempts[0]
        raise errors.BadRequest(f'previous terminated container "{name}" in pod "{pod}" not found')
    if not attempts:
        reason = _reason(worker, name) or "ContainerCreating"
        raise errors.BadRequest(f'container "{name}" in pod "{pod}" is waiting to start: {reason}')
    return attempts[0]


def _state(worker: PodWorker, name: str) -> Obj:
    found = (s for s in spec.container_statuses(worker.status) if s["name"] == name)
    return next((s.get("state") or {} for s in found), {})


def _waits(worker: PodWorker, name: str) -> bool:
    return "waiting" in _state(worker, name)


def _reason(worker: PodWorker, name: str) -> str:
    waiting = _state(worker, name).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    return "trying and failing to pull image" if reason in ("ErrImagePull", "ImagePullBackOff") else message or reason


async def read(runtime: Runtime, record: ContainerRecord, wanted: Wanted) -> AsyncGenerator[bytes]:
    left = wanted.limit
    async for _, data in runtime.logs(record, wanted.options):
        if left is not None:
            data, left = data[:left], left - len(data)
        if data:
            yield data
        if left is not None and left <= 0:
            return


async def answer(request: Request, lines: AsyncGenerator[bytes]) -> None:
    """Sends them as they come, until their end or until the client has gone. What fails before the first is raised."""
    first = await anext(lines, b"")
    await request.send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await request.send({"type": "http.response.body", "body": first, "more_body": True})
    gone = asyncio.Event()
    request.when_left(gone.set)
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
        await lines.aclose()
    await request.send({"type": "http.response.body", "body": b""})
