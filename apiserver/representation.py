"""Which form of an object a client accepts, and the object in that form: itself, a Table, or its metadata alone; JSON or YAML."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from operator import methodcaller
from typing import Any, NamedTuple

import orjson

from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from apiserver.storage import slices
from apiserver.storage.cache import Entry, Format, Json, Query, frame
from apiserver.storage.entry import NO_LABELS
from apiserver.tails import Tail
from pocketkube.api.meta import errors
from pocketkube.base.clock import Clock
from pocketkube.base.kept import remembered

Obj = dict[str, Any]

YAML = b"application/yaml"
YAML_LATER = b"application/yaml; of=json"  # a body that is JSON until `as_yaml`
LARGE_YAML = 1 << 11  # bytes of JSON; writing YAML costs one or two us each
MOST_CLAUSES = 100  # of an Accept header; what comes behind them is not read
SHARED_FROM = 1 << 16  # bytes
_ITEMS, _END = b'"items":[', b"]}\n"  # of a list's members; where it ends


class Form(NamedTuple):
    """`shape` is "", Table, PartialObjectMetadata or PartialObjectMetadataList; `version` is that of meta.k8s.io."""

    yaml: bool = False
    shape: str = ""
    version: str = "v1"
    stream: bool = False


PLAIN = Form()
_SHAPES = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


@remembered(256)
def parse_accept(accept: bytes) -> Form:
    """The first form in the client's order that can be served. Raises NotAcceptable."""
    clauses = [
        _clause(text) for text in accept.decode("latin-1").split(",", MOST_CLAUSES)[:MOST_CLAUSES] if text.strip()
    ]
    for media, parameters in sorted(clauses, key=lambda c: -_quality(c[1])):
        form = _form(media, parameters)
        if form is not None:
            return form
    if not clauses:
        return PLAIN
    raise errors.NotAcceptable(f"only the following media types are accepted: {_ACCEPTED}")


_PLAINLY = (b"", b"application/json", b"*/*")
_PRODUCED = (b"application/json", b"application/yaml")
_NONE_OF = b", ".join(_PRODUCED).decode()
_ROUTED = (*_PRODUCED, b"application/vnd.kubernetes.protobuf", b"*/*")


def check_accept(request: Request) -> None:
    """Raises NotAcceptable before anything is done for a client that could not read the answer."""
    accept = request.header(b"accept")
    if accept in _PLAINLY:
        return
    if not _routed(accept):
        why = f"406: Not Acceptable\n\nAvailable representations: {_NONE_OF}"
        raise errors.unrouted(errors.NotAcceptable(why))
    parse_accept(accept)


@remembered(256)
def _routed(accept: bytes) -> bool:
    """Whether upstream's router has a route for it: it compares whole names, and knows one wildcard."""
    names = [clause.partition(b";")[0].strip() for clause in accept.split(b",")]
    return any(name in _ROUTED for name in names)


def _clause(text: str) -> tuple[str, dict[str, str]]:
    media, *parameters = (part.strip() for part in text.split(";"))
    return media.lower(), dict(p.split("=", 1) for p in parameters if "=" in p)


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", 1))
    except ValueError:
        return 0.0


def _form(media: str, parameters: dict[str, str]) -> Form | None:
    if media not in ("application/json", "application/yaml", "*/*", "application/*"):
        return None
    shape, group, version = (parameters.get(name, "") for name in ("as", "g", "v"))
    if not (shape or group or version):
        version = "v1"
    elif shape not in _SHAPES or group != "meta.k8s.io" or version not in ("v1", "v1beta1"):
        return None
    return Form(media == "application/yaml", shape, version, "stream" in parameters)


def form_of(request: Request) -> Form:
    accept = request.header(b"accept")
    if not accept or accept == b"application/json":
        return PLAIN
    return parse_accept(accept)


def is_plain(request: Request) -> bool:
    """The bytes that are ready will do."""
    return form_of(request) is PLAIN and not wants_pretty(request)


def wants_yaml(request: Request) -> bool:
    """Of what is no object, too: discovery and failures. False where nothing that the client accepts can be served."""
    if b"yaml" not in request.header(b"accept"):
        return False
    try:
        return form_of(request).yaml
    except errors.NotAcceptable:
        return False


def respond_status(request: Request, status: Obj, *, code: int = 200) -> Response:
    """A Status as JSON or YAML; as JSON to a client that accepts neither, since what it tells of has happened."""
    if wants_yaml(request):
        return Response(_to_yaml(orjson.dumps(status)), status=code, content_type=YAML)
    return Response(orjson.dumps(status, option=orjson.OPT_INDENT_2 if wants_pretty(request) else None), status=code)


def failed(request: Request, error: errors.StatusError) -> Response:
    """The Status of an error, with Retry-After where it asks for one."""
    response = respond_status(request, error.to_status(), code=error.code)
    if error.retry_after:
        response.headers = [(b"retry-after", str(error.retry_after).encode())]
    return response


def wants_pretty(request: Request) -> bool:
    """Asked for by `pretty`, or by a client in a person's hands."""
    if "pretty" in request.query:
        return request.flag("pretty")
    return request.user_agent.startswith(("curl", "Wget", "Mozilla/5.0"))


def respond(
    request: Request, value: Any, *, data: bytes | None = None, status: int = 200, form: Form | None = None
) -> Response:
    """A value as JSON or YAML. `data`: its JSON bytes, where they are ready."""
    form = form or form_of(request)
    if form.yaml:
        return Response(data if data is not None else orjson.dumps(value), status=status, content_type=YAML_LATER)
    if wants_pretty(request):
        body = orjson.dumps(value if value is not None else orjson.loads(data or b""), option=orjson.OPT_INDENT_2)
        return Response(body + b"\n", status=status)
    return Response(data if data is not None else orjson.dumps(value), status=status)


async def as_yaml(response: Response) -> Response:
    """A response of YAML_LATER as it goes out; what is large is written beside the event loop."""
    body = response.body
    beside = len(body) > LARGE_YAML or "yaml" not in sys.modules  # to import it takes its time, too
    response.body = await asyncio.to_thread(_to_yaml, body) if beside else _to_yaml(body)
    response.content_type = YAML
    return response


def _to_yaml(data: bytes) -> bytes:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(orjson.loads(data), Dumper=dumper, default_flow_style=False, allow_unicode=True)
    return text.encode()


def respond_object(
    request: Request, resource: Resource, data: bytes, *, clock: Clock, obj: Obj | None = None, status: int = 200
) -> Response:
    """One object in the form that the client accepts. `data` are its bytes, `obj` the same parsed if at hand."""
    if is_plain(request):
        return Response(data, status=status)
    form = form_of(request)
    value = obj if obj is not None else orjson.loads(data)
    if form.shape == "Table":
        value = table(
            request,
            resource,
            [value],
            form=form,
            clock=clock,
            list_meta={"resourceVersion": value["metadata"].get("resourceVersion", "")},
        )
    elif form.shape == "PartialObjectMetadataList":
        raise _other_shape(form, f"the requested object is not a list ({_inner(resource)})")
    elif form.shape:
        value = partial(value, form.version)
    return respond(request, value, status=status, form=form)


async def answer_list(
    request: Request, resource: Resource, entries: Sequence[Entry], meta: Obj, *, clock: Clock
) -> Response:
    """`respond_list`, beside the event loop where each of many objects has to be looked at."""
    if slices.few(entries) or resource.kind.converter is not None:
        return respond_list(request, resource, entries, meta, clock=clock)
    if is_plain(request) and not resource.converts:
        return Response(_head(resource, meta), tail=Tail(await _joined(resource, entries), content=0))
    return await asyncio.to_thread(respond_list, request, resource, entries, meta, clock=clock)


def shares(request: Request, resource: Resource) -> bool:
    """Whether this client takes lists as they are ready, so that their bytes can be shared."""
    return is_plain(request) and not resource.converts


async def respond_whole(resource: Resource, namespace: str, meta: Obj) -> Response:
    """All that is cached, as JSON. Long ones that are asked for at once, and show the same, are joined once."""
    content = resource.cache.content
    head = _head(resource, meta)
    tail = resource.tails.get(namespace, content)
    if tail is None:
        entries = resource.cache.entries(Query(namespace=namespace))
        if slices.few(entries):
            data = _join(resource, entries, _ITEMS)
            if len(data) < SHARED_FROM:
                return Response(head + data)
            tail = Tail(data, content=content)
            resource.tails.add(namespace, tail)
        else:
            tail = await resource.tails.join(namespace, content, lambda: _joined(resource, entries))
    return Response(head, tail=tail)


def respond_list(
    request: Request, resource: Resource, entries: Sequence[Entry], meta: Obj, *, clock: Clock
) -> Response:
    """A list in the form that the client accepts."""
    if is_plain(request):
        return Response(_join(resource, entries, _head(resource, meta) + _ITEMS))
    form = form_of(request)
    objects = [resource.obj(entry) for entry in entries]
    value: Obj
    if form.shape == "Table":
        value = table(request, resource, objects, form=form, clock=clock, list_meta=meta)
    elif form.shape:
        if form.shape == "PartialObjectMetadata":
            raise _other_shape(form, f"the requested object is a list ({_inner(resource)}List)")
        version = f"meta.k8s.io/{form.version}"
        items = [partial(obj, form.version) for obj in objects]
        value = {"kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": meta, "items": items}
    else:
        items = objects if resource.kind.custom else [_item(obj) for obj in objects]
        value = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": items}
    return respond(request, value, form=form)


def _other_shape(form: Form, why: str) -> errors.NotAcceptable:
    return errors.NotAcceptable(f"you requested {form.shape}, but {why}")


def _inner(resource: Resource) -> str:
    """`*core.Pod`, as upstream names what it has."""
    if resource.kind.custom:
        return "*unstructured.Unstructured"
    return f"*{resource.group.partition('.')[0] or 'core'}.{resource.kind.kind}"


def _head(resource: Resource, meta: Obj) -> bytes:
    """What stands before `"items"`."""
    return b"%b%b," % (resource.list_head, orjson.dumps(meta))


async def _joined(resource: Resource, entries: Sequence[Entry]) -> bytearray:
    """`_join` of many; others have their turn between slices."""
    made = bytearray(_ITEMS)
    for part in slices.slices(entries):
        if len(made) > len(_ITEMS):
            made += b","
            await asyncio.sleep(0)
        made += _join(resource, part, b"", end=b"")
    made += _END
    return made


def _join(resource: Resource, entries: Sequence[Entry], begin: bytes, *, end: bytes = _END) -> bytes:
    """`begin`, the items and the end of a list: ready pieces, copied once. Items of built-in kinds leave out what the
    list's own kind says."""
    if not entries:
        return begin + end
    between = b","
    data: list[Any] = [resource.data(entry) for entry in entries] if resource.converts else [e.data for e in entries]
    if not resource.kind.custom:
        item, size = resource.item_head, len(resource.item_head)
        if all(map(methodcaller("startswith", item), data)):
            begin, between = begin + b"{", b",{"
            data = [memoryview(each)[size:] for each in data]
        else:
            begin, between = begin + b"{", b",{"
            data = [
                memoryview(each)[size:] if each.startswith(item) else orjson.dumps(_item(orjson.loads(each)))[1:]
                for each in data
            ]
    if begin:
        data[0] = b"%b%b" % (begin, data[0])
    if end:
        data[-1] = b"%b%b" % (data[-1], end)
    return between.join(data)


def _item(obj: Obj) -> Obj:
    """An object of a built-in kind as it stands in a list."""
    return {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}


def table(
    request: Request, resource: Resource, objects: Sequence[Obj], *, form: Form, clock: Clock, list_meta: Obj
) -> Obj:
    from pocketkube.api.meta.table import table_object

    made: Obj = table_object(
        resource.kind, objects, clock.now(), include=_included(request), list_meta=list_meta, version=form.version
    )
    return made


def _included(request: Request) -> str:
    """What the rows of a table hold of their objects. Raises BadRequest."""
    include = request.query.get("includeObject") or "Metadata"
    if include not in ("None", "Metadata", "Object"):
        why = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise errors.BadRequest(f"Unable to convert to Table as requested: {why}")
    return include


def partial(obj: Obj, version: str = "v1") -> Obj:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}


def watch_format(request: Request, resource: Resource, clock: Clock) -> Format:
    """The format of watch events for this client; the same one for all clients that accept the same."""
    form = form_of(request)
    if form.yaml:
        raise errors.NotAcceptable("only the following media types are accepted: application/json;stream=watch")
    if not form.shape:
        return _later(resource, resource.format)
    include = _included(request) if form.shape == "Table" else ""
    key = (form.shape, form.version, include)
    made = resource.formats.get(key)
    if made is None:
        made = TableFormat(resource, form, include, clock) if form.shape == "Table" else PartialFormat(resource, form)
        resource.formats[key] = made
    return _later(resource, made)


def _later(resource: Resource, form: Format) -> Format:
    if not resource.outside:
        return form
    key = ("later", "", str(id(form)))
    if key not in resource.formats:
        resource.formats[key] = Later(resource, form)
    return resource.formats[key]


class Later:
    """Watch events in the stored form: versions are converted by somebody else, who is asked when they are sent."""

    def __init__(self, resource: Resource, form: Format):
        self._resource = resource
        self.inner = form

    def encode(self, entry: Entry) -> bytes:
        return entry.data

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        return self.inner.bookmark(revision, initial_end=initial_end)

    async def finish(self, frames: Sequence[bytes]) -> list[bytes]:
        """The frames as the client wants them. Raises what the converter raises."""
        events = [orjson.loads(data) for data in frames]
        entries = [_entry(e["object"]) if e["type"] not in ("BOOKMARK", "ERROR") else None for e in events]
        await self._resource.load([entry for entry in entries if entry is not None])
        return [
            data if entry is None else frame(event["type"], self.inner.encode(entry))
            for data, event, entry in zip(frames, events, entries, strict=True)
        ]


def _entry(obj: Obj) -> Entry:
    """An object out of a frame, as the cache had it."""
    meta = obj["metadata"]
    key = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
    return Entry(key, orjson.dumps(obj), revision=int(meta["resourceVersion"]), labels=NO_LABELS, fields=())


class PartialFormat(Json):
    """Watch events that show metadata alone."""

    def __init__(self, resource: Resource, form: Form):
        super().__init__(f"meta.k8s.io/{form.version}", "PartialObjectMetadata")
        self._version = form.version
        self._resource = resource

    def encode(self, entry: Entry) -> bytes:
        return orjson.dumps(partial(self._resource.obj(entry), self._version))


class TableFormat:
    """Watch events that show a table of one row. Only a stream's first one, `headed`, has the columns' definitions."""

    def __init__(self, resource: Resource, form: Form, include: str, clock: Clock):
        self._resource = resource
        self._form = form
        self._include = include
        self._clock = clock

    def _table(self, objects: list[Obj], meta: Obj) -> bytes:
        from pocketkube.api.meta.table import table_object

        made = table_object(
            self._resource.kind,
            objects,
            self._clock.now(),
            include=self._include,
            list_meta=meta,
            version=self._form.version,
        )
        made["columnDefinitions"] = None
        return orjson.dumps(made)

    def headed(self, data: bytes) -> bytes:
        """A frame with the columns' definitions, unless it tells of an error."""
        from pocketkube.api.meta.table import definitions

        event = orjson.loads(data)
        if event["type"] == "ERROR":
            return data
        event["object"]["columnDefinitions"] = definitions(self._resource.kind)
        return frame(event["type"], orjson.dumps(event["object"]))

    def encode(self, entry: Entry) -> bytes:
        return self._table([self._resource.obj(entry)], {"resourceVersion": str(entry.revision)})

    def bookmark(self, revision: int, *, initial_end: bool) -> bytes:
        made = orjson.loads(self._table([], {"resourceVersion": str(revision)}))
        json = Json(self._resource.api_version, self._resource.kind.kind)
        made["rows"] = [
            {
                "cells": [],
                "object": partial(orjson.loads(json.bookmark(revision, initial_end=initial_end)), self._form.version),
            }
        ]
        return orjson.dumps(made)
