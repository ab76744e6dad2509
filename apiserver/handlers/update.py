"""PUT of one object or of its status."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.api import Api
from apiserver.decoding import decode_object, media_type, parse_as, writer_of
from apiserver.handlers.create import permit
from apiserver.interfaces import RequestInfo
from apiserver.registry import replacement
from apiserver.registry.metadata import name_owners_once
from apiserver.registry.resource import Resource
from apiserver.registry.writer import BULKY, Writer
from apiserver.representation import respond_object
from apiserver.request import Request, Response
from pocketkube.api.meta import errors, field

Obj = dict[str, Any]

# Kinds whose PUT must say which version it replaces, beside all custom resources.
_CONDITIONAL = frozenset(("leases", "customresourcedefinitions", "apiservices", "ipaddresses", "servicecidrs"))


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    info = request.info
    writer = writer_of(request, "UpdateOptions")
    body = await request.body()
    writer.bulky = len(body) > BULKY
    given = (resource, info, body, media_type(request), writer)
    source = await asyncio.to_thread(_Source, *given) if writer.bulky else _Source(*given)

    async def make() -> Obj:
        await permit(api, request)
        return source.take()

    written = await replacement.replace(
        api.registry,
        resource,
        writer,
        lambda _: _conditional(resource, source.take()),
        namespace=info.namespace,
        name=info.name,
        subresource=info.subresource,
        missing=make if resource.kind.create_on_update and not info.subresource else None,
    )
    status = 201 if written.created else 200
    return respond_object(request, resource, written.data, obj=written.obj, status=status, clock=api.registry.clock)


class _Source:
    """The body as an object at the place of the path, a fresh one each time: every try changes the one it gets."""

    def __init__(self, resource: Resource, info: RequestInfo, body: bytes, media: str, writer: Writer):
        self._resource = resource
        self._info = info
        self._body = body
        self._media = media
        self.first = self._decode(writer)
        self._next: Obj | None = self.first

    def take(self) -> Obj:
        if self._next is not None:
            obj, self._next = self._next, None
            return obj
        return self._decode(Writer())

    def _decode(self, writer: Writer) -> Obj:
        kind = self._resource.kind
        value, messages = parse_as(kind, self._body, self._media, mode=writer.validation)
        obj = decode_object(kind, value, messages, writer)
        _check_name(obj, self._info.name, self._info.namespace, self._resource)
        name_owners_once(obj["metadata"], writer.warnings)
        return obj


def _check_name(obj: Obj, name: str, namespace: str, resource: Resource) -> None:
    metadata = obj["metadata"]
    given = metadata.get("name")
    if not given:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise errors.BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if not resource.namespaced:
        metadata.pop("namespace", None)
    elif (metadata.get("namespace") or namespace) != namespace:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    else:
        metadata["namespace"] = namespace


def _conditional(resource: Resource, obj: Obj) -> Obj:
    """The new form of an object that is there. Raises Invalid where it must say which version it replaces and does not."""
    kind, metadata = resource.kind, obj["metadata"]
    if metadata.get("resourceVersion") or not (kind.custom or resource.plural in _CONDITIONAL):
        return obj
    fault = field.invalid("metadata.resourceVersion", 0, "must be specified for an update")
    raise errors.invalid(kind.group, kind.kind, metadata["name"], [fault])
