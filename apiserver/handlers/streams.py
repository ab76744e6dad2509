"""exec, attach and portforward of a pod: the upgraded connection becomes a pipe to the pod's kubelet."""

from __future__ import annotations

from apiserver.api import Api
from apiserver.handlers.pods import container_of, node_of, pod_of
from apiserver.interfaces import AdmissionRequest
from apiserver.kubelets import address, tunnel
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response
from pocketkube.api.meta import errors

# What the API's parameters are called at the kubelet.
_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_FOLDERS = {"exec": "exec", "attach": "attach", "portforward": "portForward"}


async def handle(api: Api, request: Request, resource: Resource) -> Response | None:
    pod = await pod_of(api, request, resource)
    info = request.info
    path = _path(request, pod)
    await _admit(api, request, resource)
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        phase = pod["status"]["phase"]
        raise errors.BadRequest(
            f"cannot {info.subresource} into a container in a completed pod; current phase is {phase}"
        )
    answer = await tunnel(request, node_of(api, pod), path)
    return None if answer is None else refusal(answer)


def _path(request: Request, pod: dict[str, dict[str, str]]) -> str:
    info = request.info
    folder, place = _FOLDERS[info.subresource], (info.namespace, info.name)
    if folder == "portForward":
        return address((folder, *place), [("port", port) for port in request.query_all("ports")])
    container = container_of(pod, request.query.get("container", ""))
    query = [(theirs, "1") for ours, theirs in _STREAMS.items() if request.flag(ours)]
    if not any(name in ("input", "output", "error") for name, _ in query):
        raise errors.BadRequest("you must specify at least one of stdin, stdout, stderr")
    query += [("command", word) for word in request.query_all("command")]
    if folder == "exec" and not request.query_all("command"):
        raise errors.BadRequest("you must specify at least one command for the container")
    return address((folder, *place, container), query)


async def _admit(api: Api, request: Request, resource: Resource) -> None:
    info = request.info
    kind = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}[
        info.subresource
    ]
    options = {"kind": kind, "apiVersion": "v1"} | {
        name: request.query_all("command") if name == "command" else value for name, value in request.query.items()
    }
    asked = AdmissionRequest(
        "CONNECT", resource.kind, info.namespace, info.name, info.subresource, options, None, request.user
    )
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)


def refusal(answer: bytes) -> Response:
    """A kubelet's answer that is no upgrade, as ours."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    code = int(first.split(b" ")[1])
    kind = next(
        (line.split(b":", 1)[1].strip() for line in lines if line.lower().startswith(b"content-type:")), b"text/plain"
    )
    if kind.startswith(b"application/json") or 200 <= code < 300:
        return Response(body, status=code, content_type=kind)
    # kubectl puts "unable to upgrade connection: " in front
    raise errors.StatusError(body.decode(errors="replace").strip(), code=code, reason=_reason(code))


def _reason(code: int) -> str:
    return {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}.get(code, "InternalError")
