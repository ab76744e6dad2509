"""An API server in memory behind a real socket, so that tests of components speak HTTP without etcd.

It knows resources only by path: create, get, list, update, patch (merge; conditions by type), delete, watch with history,
label and a few field selectors, pods/binding. It has no schema, no admission and no rights. Faults are made by hand:
`compact()` forgets history, `cut()` closes every connection, `fail(...)` refuses requests.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from pocketkube.api.meta import errors
from pocketkube.client.resources import Resource

Obj = dict[str, Any]


class Address(NamedTuple):
    collection: str  # `/api/v1/pods`, whatever the namespace
    group: str
    plural: str
    namespace: str
    name: str
    subresource: str


class Request(NamedTuple):
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any


class MemoryServer:
    """`async with MemoryServer() as server: Client(ClientConfig(server=server.url))`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.version = 0
        self.url = ""
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {}
        self._history: deque[tuple[int, str, str, Obj, Obj | None]] = deque()
        self._compacted = 0
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._faults: list[tuple[re.Pattern[str], errors.StatusError, int]] = []
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._uids = itertools.count(1)

    async def __aenter__(self) -> MemoryServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; after stop() on the same port again, with the same objects."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=1 << 26)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what tests do to it directly

    def cut(self) -> None:
        """Closes every connection, as a crash would."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def compact(self) -> None:
        """Forgets what happened until now: watches from before get 410."""
        self._compacted = self.version
        self._history.clear()

    def fail(self, request: str, error: errors.StatusError, *, times: int = 1) -> None:
        """The next `times` requests whose "METHOD path" matches the pattern `request` get `error`."""
        self._faults.append((re.compile(request), error, times))

    def put(self, resource: Resource, obj: Obj) -> Obj:
        """Creates or replaces an object, without a request. The object is ours afterwards."""
        meta = obj["metadata"]
        key = (meta.get("namespace", "") if resource.namespaced else "", meta["name"])
        return self._store(resource.path(), key, obj)

    def get(self, resource: Resource, name: str, namespace: str = "") -> Obj | None:
        return self._objects.get(resource.path(), {}).get((namespace, name))

    def all(self, resource: Resource) -> list[Obj]:
        return [*self._objects.get(resource.path(), {}).values()]

    def remove(self, resource: Resource, name: str, namespace: str = "") -> None:
        self._remove(resource.path(), (namespace, name))

    async def wait_for(self, condition: Any, *, seconds: float = 10.0) -> None:
        """Until condition() is true; looked at after every change. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._changed.wait()

    # --- objects

    def _store(self, collection: str, key: tuple[str, str], obj: Obj) -> Obj:
        objects = self._objects.setdefault(collection, {})
        old = objects.get(key)
        self.version += 1
        meta = obj["metadata"]
        meta.setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self._uids)}")
        meta.setdefault("creationTimestamp", "2026-11-21T03:00:00Z")
        meta["resourceVersion"] = str(self.version)
        objects[key] = obj
        self._record("MODIFIED" if old else "ADDED", collection, obj, old)
        return obj

    def _remove(self, collection: str, key: tuple[str, str]) -> Obj:
        old = self._objects[collection].pop(key)
        self.version += 1
        last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
        self._record("DELETED", collection, last, old)
        return last

    def _record(self, kind: str, collection: str, obj: Obj, old: Obj | None) -> None:
        self._history.append((self.version, kind, collection, obj, old))
        self._changed.set()
        self._changed = asyncio.Event()

    # --- the wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                start, *rest = head.decode().strip().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
                content = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = start.split(" ")
                url = urlsplit(target)
                body = orjson.loads(content) if content else None
                request = Request(method, unquote(url.path), dict(parse_qsl(url.query)), headers, body)
                self.requests.append(request)
                if request.params.get("watch") in ("true", "1"):
                    await self._watch(request, writer)
                else:
                    await self._answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            self._refuse(request)
            code, found = self._handle(request, _address(request.path))
        except errors.StatusError as e:
            code, found = e.code, e.to_status()
        content = orjson.dumps(found)
        retry = found.get("details", {}).get("retryAfterSeconds") if code >= 400 else None
        extra = f"Retry-After: {retry}\r\n" if retry is not None else ""
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{extra}\r\n"
        writer.write(head.encode() + content)
        await writer.drain()

    def _refuse(self, request: Request) -> None:
        for i, (pattern, error, times) in enumerate(self._faults):
            if pattern.search(f"{request.method} {request.path}"):
                self._faults[i : i + 1] = [(pattern, error, times - 1)] if times > 1 else []
                raise error

    async def _watch(self, request: Request, writer: asyncio.StreamWriter) -> None:
        at = _address(request.path)
        try:
            self._refuse(request)
        except errors.StatusError as e:
            content = orjson.dumps(e.to_status())
            writer.write(f"HTTP/1.1 {e.code} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        since = int(request.params.get("resourceVersion") or self.version)
        deadline = asyncio.get_running_loop().time() + float(request.params.get("timeoutSeconds") or 1800)
        if since < self._compacted:
            _send(writer, "ERROR", errors.Expired(f"too old resource version: {since}").to_status())
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._follow(request, at, since, writer)
        writer.write(b"0\r\n\r\n")

    async def _follow(self, request: Request, at: Address, since: int, writer: asyncio.StreamWriter) -> None:
        while True:
            changed = self._changed
            news = [*itertools.takewhile(lambda change: change[0] > since, reversed(self._history))]  # noqa: B023
            for _, kind, collection, obj, old in reversed(news):
                if collection == at.collection:
                    _send_matching(writer, request, at, kind, obj, old)
            if since < self.version and request.params.get("allowWatchBookmarks") == "true":
                _send(writer, "BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})
            since = self.version
            await writer.drain()
            await changed.wait()

    # --- verbs

    def _handle(self, request: Request, at: Address) -> tuple[int, Obj]:
        objects = self._objects.setdefault(at.collection, {})
        key = (at.namespace, at.name)
        if not at.name:
            return self._handle_collection(request, at, objects)
        if request.method == "POST" and at.subresource == "binding":
            return 201, self._bind(at, request.body)
        if key not in objects:
            if not (request.method == "POST" and at.subresource):
                raise errors.not_found(at.group, at.plural, at.name)
            return 201, dict(request.body)
        old = objects[key]
        match request.method:
            case "GET":
                return 200, old
            case "PUT":
                sent = request.body["metadata"].get("resourceVersion")
                if sent and sent != old["metadata"]["resourceVersion"]:
                    raise errors.conflict(at.group, at.plural, at.name, errors.MODIFIED)
                return 200, self._store(at.collection, key, request.body)
            case "PATCH":
                return 200, self._store(at.collection, key, _merge(old, request.body))
            case "DELETE":
                uid = ((request.body or {}).get("preconditions") or {}).get("uid")
                if uid and uid != old["metadata"]["uid"]:
                    raise errors.conflict(at.group, at.plural, at.name, "the UID in the precondition does not match")
                return 200, self._remove(at.collection, key)
        return 201, dict(request.body or {})

    def _handle_collection(self, request: Request, at: Address, objects: dict[Any, Obj]) -> tuple[int, Obj]:
        if request.method == "POST":
            obj = request.body
            meta = obj["metadata"]
            if not meta.get("name"):
                meta["name"] = f"{meta['generateName']}{next(self._uids):05d}"
            if at.namespace:
                meta["namespace"] = at.namespace
            if (at.namespace, meta["name"]) in objects:
                raise errors.already_exists(at.group, at.plural, meta["name"])
            return 201, self._store(at.collection, (at.namespace, meta["name"]), obj)
        found = [o for o in objects.values() if _matches(o, request.params, at.namespace)]
        start, limit = int(request.params.get("continue") or 0), int(request.params.get("limit") or 0)
        meta = {"resourceVersion": str(self.version)}
        if limit and start + limit < len(found):
            meta["continue"] = str(start + limit)
        bare = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
        return 200, {"kind": "List", "metadata": meta, "items": bare[start : start + limit] if limit else bare[start:]}

    def _bind(self, at: Address, binding: Obj) -> Obj:
        pod = self._objects[at.collection].get((at.namespace, at.name))
        if pod is None:
            raise errors.not_found("", "pods", at.name)
        if pod["spec"].get("nodeName"):
            raise errors.conflict("", "pods", at.name, f"pod {at.name} is already assigned to node")
        bound = _merge(pod, {"spec": {"nodeName": binding["target"]["name"]}})
        done = {"status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}
        self._store(at.collection, (at.namespace, at.name), _merge(bound, done))
        return {"kind": "Status", "status": "Success", "code": 201}


def _address(path: str) -> Address:
    _, root, *parts = path.split("/")
    group, version = ("", parts.pop(0)) if root == "api" else (parts.pop(0), parts.pop(0))
    prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource, *_ = [*parts, "", ""]
    return Address(f"{prefix}/{plural}", group, plural, namespace, name, subresource)


def _send(writer: asyncio.StreamWriter, kind: str, obj: Obj) -> None:
    line = orjson.dumps({"type": kind, "object": obj}) + b"\n"
    writer.write(b"%x\r\n%b\r\n" % (len(line), line))


def _send_matching(
    writer: asyncio.StreamWriter, request: Request, at: Address, kind: str, obj: Obj, old: Obj | None
) -> None:
    """Under a selector an object that starts to match is ADDED and one that stops is DELETED."""
    now = kind != "DELETED" and _matches(obj, request.params, at.namespace)
    before = old is not None and _matches(old, request.params, at.namespace)
    if now:
        _send(writer, "MODIFIED" if before else "ADDED", obj)
    elif before:
        _send(writer, "DELETED", obj)


def _matches(obj: Obj, params: dict[str, str], namespace: str) -> bool:
    if namespace and obj["metadata"].get("namespace") != namespace:
        return False
    labels = obj["metadata"].get("labels") or {}
    for term in filter(None, params.get("labelSelector", "").split(",")):
        name, _, value = term.partition("=")
        if labels.get(name) != value.lstrip("="):
            return False
    for term in filter(None, params.get("fieldSelector", "").split(",")):
        path, sign, wanted = re.split("(!?=)=?", term)
        held: Any = obj
        for part in path.split("."):
            held = held.get(part) or {} if isinstance(held, dict) else {}
        if ((held or "") == wanted) != (sign == "="):
            return False
    return True


def _merge(old: Any, patch: Any) -> Any:
    """A merge patch; lists of conditions are merged by their type, as a strategic one does."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif name == "conditions" and isinstance(merged.get(name), list):
            by_type = {c["type"]: c for c in merged[name]}
            by_type.update({c["type"]: {**by_type.get(c["type"], {}), **c} for c in value})
            merged[name] = [*by_type.values()]
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged
