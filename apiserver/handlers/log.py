"""GET of a pod's log, streamed from its kubelet as it is written."""

from __future__ import annotations

import asyncio

from apiserver.api import Api
from apiserver.handlers import forwarding
from apiserver.handlers.pods import container_of, node_of, pod_of
from apiserver.kubelets import address
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from pocketkube.api.meta import errors, field

_PASSED = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")


async def handle(api: Api, request: Request, resource: Resource) -> Response | None:
    _check(request)
    pod = await pod_of(api, request, resource)
    container = container_of(pod, request.query.get("container", ""))
    if not (pod.get("spec") or {}).get("nodeName"):
        return Response(b"", content_type=b"text/plain")
    info = request.info
    query = {name: value for name, value in request.query.items() if name in _PASSED}
    path = address(("containerLogs", info.namespace, info.name, container), query)
    answer = await forwarding.forward(request, node_of(api, pod), path, headers=[])
    leave = asyncio.current_task()
    on_disconnect = request.scope.get("extensions", {}).get("pocketkube.disconnect")
    try:
        if answer.status_code != 200:
            text = (await answer.aread()).decode(errors="replace").strip()
            raise errors.StatusError(
                text, code=answer.status_code, reason="NotFound" if answer.status_code == 404 else "BadRequest"
            )
        if on_disconnect is not None and leave is not None:
            on_disconnect(leave.cancel)
        await forwarding.stream(request, answer, content_type=b"text/plain")
    finally:
        await forwarding.close(answer)
    return None


def _check(request: Request) -> None:
    """Raises Invalid for numbers that make no sense."""
    found = []
    for name, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        value = request.integer(name)
        if value is not None and value < least:
            found.append(field.invalid(name, value, f"must be greater than {'or equal to 0' if not least else '0'}"))
    if "sinceSeconds" in request.query and "sinceTime" in request.query:
        found.append(field.forbidden("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if found:
        raise errors.invalid("", "PodLogOptions", request.info.name, found)
