"""POST to a collection, and the right to create by a request that is none."""

from __future__ import annotations

from dataclasses import replace

from apiserver.api import Api
from apiserver.asking import settled
from apiserver.authz.denial import forbidden
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


async def permit(api: Api, request: Request) -> None:
    """Raises Forbidden where a PUT or an apply would make what its sender may not create: it was let in to change."""
    info = replace(request.info, verb="create")
    decision = await settled(lambda: api.authorizer.authorize(request.user, info))
    if not decision.allowed:
        raise forbidden(request.user, info, decision.reason)
