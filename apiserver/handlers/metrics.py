"""GET /metrics in Prometheus text form, under upstream's names."""

from __future__ import annotations

from apiserver.api import Api
from apiserver.request import Request, Response
from pocketkube.base import metrics

objects = metrics.gauge(
    "apiserver_storage_objects", "Stored objects by resource at the time of last check.", ("resource",)
)
watchers = metrics.gauge("apiserver_longrunning_requests", "Open watches by resource.", ("verb", "resource"))


async def handle(api: Api, request: Request) -> Response:
    for resource in api.registry.resources():
        if resource.watched and not resource.converts:
            name = resource.kind.resource
            objects.labels(name).set(len(resource.cache))
            watchers.labels("WATCH", name).set(resource.cache.watchers)
    return Response(metrics.render(), content_type=metrics.CONTENT_TYPE.encode())
