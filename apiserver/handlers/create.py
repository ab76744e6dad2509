"""POST to a collection."""

from __future__ import annotations

from apiserver.api import Api
from apiserver.decoding import read_object, writer_of
from apiserver.registry import creation
from apiserver.registry.resource import Resource
from apiserver.representation import respond_object
from apiserver.request import Request, Response


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    writer = writer_of(request, "CreateOptions")
    obj = await read_object(request, resource, writer)
    written = await creation.create(api.registry, resource, obj, writer, namespace=request.info.namespace)
    return respond_object(request, resource, written.data, obj=written.obj, status=201, clock=api.registry.clock)
