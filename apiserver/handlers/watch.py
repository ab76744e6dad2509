"""WATCH: frames that the cache has encoded once for everyone, one chunk for all that wait.

The head is sent at once; the stream ends by its time limit, when the client leaves, or when it cannot keep up.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import orjson

from apiserver.api import Api
from apiserver.freshness import ANY, check_options, revision_of, wait_for
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.representation import Later, TableFormat, watch_format
from apiserver.request import Request
from apiserver.selecting import query_of
from apiserver.storage.cache import Format, Query, Watcher, frame
from apiserver.storage.interface import Compacted
from apiserver.tunnels import is_websocket
from pocketkube.api.meta import errors

_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-cache, private"),
]


async def handle(api: Api, request: Request, resource: Resource) -> None:
    seconds = request.integer("timeoutSeconds") or int(api.options.min_request_timeout * (1 + random.random()))
    check_options(request.query, watch=True)
    if is_websocket(request):
        from apiserver import websockets

        websockets.Messages(request, lines=True).install()
    info, registry = request.info, api.registry
    query = query_of(resource, info.namespace, labels=info.label_selector, fields=info.field_selector, name=info.name)
    form = watch_format(request, resource, registry.clock)
    await wait_for(registry, resource, ANY)
    start = _start(request)
    begun = start > resource.cache.current
    if begun:
        await _begin(request)
        if not await _reached(registry, request, start, seconds):
            await request.send({"type": "http.response.body", "body": b""})
            return
    try:
        watcher = await _open(registry, request, resource, query, form, start)
    except Compacted as gone:
        await _refuse(request, errors.Expired(f"too old resource version: {start} ({gone.revision})"))
        return
    except errors.Timeout as late:
        await _refuse(request, late)
        return
    timer = asyncio.get_running_loop().call_later(seconds, watcher.close)
    try:
        if not begun:
            await _begin(request)
        await _stream(request, resource, watcher)
    finally:
        timer.cancel()
        watcher.close()


def _start(request: Request) -> int:
    """The revision whose followers are wanted, where the client has all that was before; else 0."""
    version = request.query.get("resourceVersion", "")
    return 0 if version in ("", ANY) or request.flag("sendInitialEvents") else revision_of(version)


async def _reached(registry: Registry, request: Request, revision: int, seconds: float) -> bool:
    """Wait for a revision of the future: what happens before it is not wanted. False: the client, or the time, is gone."""
    waiting = asyncio.create_task(registry.cache.wait_fresh(revision, timeout=seconds), name="a watch of the future")
    _at_the_end(request, waiting.cancel)
    try:
        await asyncio.wait((waiting,))
    finally:
        waiting.cancel()
    return not waiting.cancelled() and waiting.exception() is None


async def _open(
    registry: Registry, request: Request, resource: Resource, query: Query, form: Format, start: int
) -> Watcher:
    params = request.query
    version = params.get("resourceVersion", "")
    initial = request.flag("sendInitialEvents") if "sendInitialEvents" in params else version in ("", ANY)
    bookmarks = request.flag("allowWatchBookmarks")
    if not start:
        await wait_for(registry, resource, version)
    return resource.cache.watch(
        query,
        after=start or None,
        initial=initial,
        initial_end=initial and bookmarks and "sendInitialEvents" in params,
        bookmarks=bookmarks,
        format=form,
    )


async def _begin(request: Request) -> None:
    await request.send({"type": "http.response.start", "status": 200, "headers": _HEADERS + request.answer_headers})


async def _stream(request: Request, resource: Resource, watcher: Watcher) -> None:
    send = request.send
    _at_the_end(request, watcher.close)
    form = watcher.format.inner if isinstance(watcher.format, Later) else watcher.format
    bare = isinstance(form, TableFormat)  # no columns were sent yet
    while frames := await watcher.next():
        resource.events_sent += len(frames)
        if isinstance(watcher.format, Later):
            try:
                frames = await watcher.format.finish(frames)
            except errors.StatusError as failure:
                frames = [frame("ERROR", orjson.dumps(failure.to_status()))]
                watcher.close()
        if bare and isinstance(form, TableFormat):
            frames, bare = [form.headed(frames[0]), *frames[1:]], False
        body = frames[0] if len(frames) == 1 else b"".join(frames)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    last = (watcher.bookmark() if watcher.bookmarks else None) or b""
    await send({"type": "http.response.body", "body": last})


def _at_the_end(request: Request, end: Callable[[], object]) -> None:
    """A client that leaves ends its watch, also while nothing happens."""
    on_disconnect = request.scope.get("extensions", {}).get("pocketkube.disconnect")
    if on_disconnect is not None:
        on_disconnect(end)


async def _refuse(request: Request, error: errors.StatusError) -> None:
    """A watch that cannot start says so inside its stream, where clients look for it."""
    await _begin(request)
    await request.send({"type": "http.response.body", "body": frame("ERROR", orjson.dumps(error.to_status()))})
