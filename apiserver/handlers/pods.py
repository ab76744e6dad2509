"""What the handlers that lead to a kubelet share: the pod, its container, its node."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.backends import Target
from apiserver.freshness import wait_for
from apiserver.registry.resource import Resource
from apiserver.request import Request
from pocketkube.api.meta import errors

Obj = dict[str, Any]


async def pod_of(api: Api, request: Request, resource: Resource) -> Obj:
    """The pod of the path as it is now. Raises NotFound."""
    info = request.info
    await wait_for(api.registry, resource, "")
    entry = resource.cache.get(info.namespace, info.name)
    if entry is None:
        raise errors.not_found("", "pods", info.name)
    return entry.obj


def node_of(api: Api, pod: Obj) -> Target:
    """The kubelet of a pod. Raises BadRequest before the pod is scheduled, NotFound where its node is gone."""
    name = (pod.get("spec") or {}).get("nodeName")
    if not name:
        raise errors.BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return node(api, name)


def node(api: Api, name: str) -> Target:
    entry = api.registry.by_plural("", "nodes").cache.get("", name)
    if entry is None:
        raise errors.not_found("", "nodes", name)
    return api.kubelets.target(entry.obj)


def container_of(pod: Obj, wanted: str) -> str:
    """The container asked for, or the only one. Raises BadRequest with the choices."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    regular, initial, ephemeral = (
        [c["name"] for c in spec.get(part) or ()] for part in ("containers", "initContainers", "ephemeralContainers")
    )
    if wanted:
        if wanted not in (*regular, *initial, *ephemeral):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(regular) == 1:
        return str(regular[0])
    if not regular:
        raise errors.BadRequest(f"a container name must be specified for pod {name}")
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(regular)}]"
    if initial:
        message += f" or one of the init containers: [{' '.join(initial)}]"
    if ephemeral:
        message += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise errors.BadRequest(message)
