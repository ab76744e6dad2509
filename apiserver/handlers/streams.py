"""exec, attach and portforward of a pod: the upgraded connection becomes a pipe to the pod's kubelet."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.backends import BackendError
from apiserver.handlers.forwarding import passed
from apiserver.handlers.pods import container_of, node_of, pod_of
from apiserver.interfaces import AdmissionRequest
from apiserver.kubelets import address
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from apiserver.tunnels import Refusal, tunnel
from pocketkube.api.meta import errors

Obj = dict[str, Any]

# What the API's parameters are called at the kubelet.
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_FOLDERS = {"exec": "exec", "attach": "attach", "portforward": "portForward"}
_KINDS = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}


async def handle(api: Api, request: Request, resource: Resource) -> Response | None:
    await _admit(api, request, resource)
    pod = await pod_of(api, request, resource)
    info = request.info
    path = _path(request, pod)
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        phase = pod["status"]["phase"]
        raise errors.BadRequest(
            f"cannot {info.subresource} into a container in a completed pod; current phase is {phase}"
        )
    try:
        answer = await tunnel(request, node_of(api, pod), path, headers=_headers(request))
    except BackendError as failure:
        raise errors.InternalError(f"error dialing backend: {failure}") from None
    return None if answer is None else refusal(answer)


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in passed(request, upgrade=True) if name != b"cookie"]


def _path(request: Request, pod: Obj) -> str:
    info = request.info
    folder, place = _FOLDERS[info.subresource], (info.namespace, info.name)
    if folder == "portForward":
        return address((folder, *place), [("port", port) for port in request.query_all("ports")])
    container = container_of(pod, request.query.get("container", ""))
    query = [(theirs, "1") for ours, theirs in _STREAMS.items() if _on(request, ours)]
    if not any(name in ("input", "output", "error") for name, _ in query):
        raise errors.BadRequest("you must specify at least one of stdin, stdout, stderr")
    query += [("command", word) for word in request.query_all("command")]
    if folder == "exec" and not request.query_all("command"):
        raise errors.BadRequest("you must specify at least one command for the container")
    return address((folder, *place, container), query)


def _on(request: Request, name: str) -> bool:
    """attach shows both outputs unless told otherwise."""
    if name not in request.query and name in ("stdout", "stderr") and request.info.subresource == "attach":
        return True
    return request.flag(name)


async def _admit(api: Api, request: Request, resource: Resource) -> None:
    """Admission of a CONNECT, before anything is upgraded."""
    info = request.info
    options: Obj = {"kind": _KINDS[info.subresource], "apiVersion": "v1"}
    for name, value in request.query.items():
        if name == "command":
            options[name] = request.query_all(name)
        elif name == "ports":
            options[name] = [int(port) for port in request.query_all(name) if port.isdigit()]
        else:
            options[name] = request.flag(name) if name in _STREAMS else value
    asked = AdmissionRequest(
        "CONNECT", resource.kind, info.namespace, info.name, info.subresource, options, None, request.user,
        warnings=request.warnings, annotations=request.annotations,
    )  # fmt: skip
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)


def refusal(answer: Refusal) -> Response:
    """A kubelet's answer that is no upgrade, as ours."""
    kind = answer.header(b"content-type") or b"text/plain"
    if kind.startswith(b"application/json"):
        return Response(answer.body, status=answer.status, content_type=kind)
    if answer.status < 400:
        raise errors.InternalError(f"invalid upgrade response: status code {answer.status}")
    # kubectl puts "unable to upgrade connection: " in front
    raise errors.StatusError(
        answer.body.decode(errors="replace").strip(), code=answer.status, reason=_reason(answer.status)
    )


def _reason(code: int) -> str:
    return {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}.get(code, "InternalError")
