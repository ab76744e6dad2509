"""GET /metrics in Prometheus text form, under upstream's names; for all processes of the server."""

from __future__ import annotations

from prometheus_client import generate_latest

from apiserver import gathering
from apiserver.api import Api
from apiserver.request import Request, Response
from pocketkube.base import metrics


def own(api: Api) -> bytes:
    """What this process counts."""
    return metrics.render() + generate_latest(api.metrics)


async def handle(api: Api, request: Request) -> Response:
    text = own(api)
    if api.options.worker_folder:
        text = await gathering.gather(api.options.worker_folder, text)
    return Response(text, content_type=metrics.CONTENT_TYPE.encode())
