"""GET of one object: the cache's ready bytes, after the cache has caught up with the store unless resourceVersion=0."""

from __future__ import annotations

from apiserver.api import Api
from apiserver.freshness import wait_for
from apiserver.registry.resource import Resource
from apiserver.representation import respond_object
from apiserver.request import Request, Response
from pocketkube.api.meta import errors


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    info = request.info
    registry = api.registry
    await wait_for(registry, resource, request.query.get("resourceVersion", ""))
    entry = resource.cache.get(info.namespace, info.name)
    if entry is None:
        raise errors.not_found(resource.group, resource.plural, info.name)
    await resource.load([entry])
    return respond_object(request, resource, resource.data(entry), clock=registry.clock)
