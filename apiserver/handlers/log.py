"""GET of a pod's log, streamed from its kubelet as it is written."""

from __future__ import annotations

from typing import NoReturn

from apiserver import tracing
from apiserver.api import Api
from apiserver.backends import Answer, BackendError
from apiserver.handlers import forwarding
from apiserver.handlers.pods import container_of, node_of, pod_of
from apiserver.kubelets import address
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from apiserver.tunnels import is_websocket
from pocketkube.api.meta import errors, field

_PASSED = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")
_HEADERS = [(b"content-type", b"text/plain"), (b"cache-control", b"no-cache, private")]
_MOST_WORDS = 1 << 16  # bytes of a refusal


async def handle(api: Api, request: Request, resource: Resource) -> Response | None:
    _check(request)
    if is_websocket(request):
        from apiserver import websockets

        websockets.Messages(request, lines=False).install()
    pod = await pod_of(api, request, resource)
    container = container_of(pod, request.query.get("container", ""))
    if not (pod.get("spec") or {}).get("nodeName"):
        return Response(b"", content_type=b"text/plain")
    info = request.info
    query = {name: value for name, value in request.query.items() if name in _PASSED}
    path = address(("containerLogs", info.namespace, info.name, container), query)
    headers = [(tracing.HEADER, tracing.onward(request))]
    if client := request.scope.get("client"):
        headers.append((b"x-forwarded-for", str(client[0]).encode()))
    try:
        answer = await forwarding.forward(api, request, node_of(api, pod), path, headers=headers)
    except BackendError as failure:
        raise errors.StatusError(f"Get {path}: {failure}", code=500, reason="") from None
    try:
        if answer.status != 200:
            await _refuse(answer)
        await forwarding.respond(request, answer, headers=_HEADERS, endless=request.flag("follow"))
    finally:
        await answer.close()
    return None


async def _refuse(answer: Answer) -> NoReturn:
    """What the kubelet says, as a Status."""
    try:
        text = (await answer.read(_MOST_WORDS)).decode(errors="replace").strip()
    except BackendError as failure:
        text = str(failure)
    reason = {404: "NotFound", 500: "InternalError"}.get(answer.status, "BadRequest")
    raise errors.StatusError(text, code=answer.status, reason=reason)


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
