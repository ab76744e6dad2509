"""WATCH: frames that the cache has encoded once for everyone, one chunk for all that wait.

The head is sent at once; the stream ends by its time limit, when the client leaves, or when it cannot keep up.
"""

from __future__ import annotations

import asyncio
import random

import orjson

from apiserver.api import Api
from apiserver.freshness import ANY, check_options, revision_of, wait_for
from apiserver.registry.resource import Resource
from apiserver.representation import Later, TableFormat, watch_format
from apiserver.request import Request
from apiserver.selecting import query_of
from apiserver.storage.cache import Watcher, frame
from apiserver.storage.interface import Compacted
from apiserver.tunnels import is_websocket
from pocketkube.api.meta import errors

MINIMUM_SECONDS = 1800
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-cache, private"),
]


async def handle(api: Api, request: Request, resource: Resource) -> None:
    seconds = request.integer("timeoutSeconds") or int(MINIMUM_SECONDS * (1 + random.random()))
    check_options(request.query, watch=True)
    if is_websocket(request):
        from apiserver import websockets

        websockets.Messages(request, lines=True).install()
    try:
        watcher = await _open(api, request, resource)
    except Compacted as gone:
        asked = request.query.get("resourceVersion", "")
        await _refuse(request, errors.Expired(f"too old resource version: {asked} ({gone.revision})"))
        return
    timer = asyncio.get_running_loop().call_later(seconds, watcher.close)
    try:
        await _stream(request, resource, watcher)
    finally:
        timer.cancel()
        watcher.close()


async def _open(api: Api, request: Request, resource: Resource) -> Watcher:
    info, params = request.info, request.query
    version = params.get("resourceVersion", "")
    initial = request.flag("sendInitialEvents") if "sendInitialEvents" in params else version in ("", ANY)
    bookmarks = request.flag("allowWatchBookmarks")
    query = query_of(resource, info.namespace, labels=info.label_selector, fields=info.field_selector, name=info.name)
    form = watch_format(request, resource, api.registry.clock)
    await wait_for(api.registry, resource, version)
    after = revision_of(version) if version not in ("", ANY) and "sendInitialEvents" not in params else None
    return resource.cache.watch(
        query,
        after=after,
        initial=initial,
        initial_end=initial and bookmarks and "sendInitialEvents" in params,
        bookmarks=bookmarks,
        format=form,
    )


async def _stream(request: Request, resource: Resource, watcher: Watcher) -> None:
    send = request.send
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + request.answer_headers})
    _close_with_client(request, watcher)
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


def _close_with_client(request: Request, watcher: Watcher) -> None:
    """A client that leaves ends its watch, also while nothing happens."""
    on_disconnect = request.scope.get("extensions", {}).get("pocketkube.disconnect")
    if on_disconnect is not None:
        on_disconnect(watcher.close)


async def _refuse(request: Request, error: errors.StatusError) -> None:
    """A watch that cannot start says so inside its stream, where clients look for it."""
    await request.send({"type": "http.response.start", "status": 200, "headers": _HEADERS + request.answer_headers})
    await request.send({"type": "http.response.body", "body": frame("ERROR", orjson.dumps(error.to_status()))})
