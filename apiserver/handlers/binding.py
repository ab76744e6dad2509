"""Binding a pod to a node, by the scheduler: as pods/NAME/binding or as a bindings object."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.decoding import read_object, writer_of
from apiserver.interfaces import AdmissionRequest
from apiserver.registry import replacement
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.representation import respond_status
from apiserver.request import Request, Response
from apiserver.storage.cache import Entry
from pocketkube.api.kinds.core.binding import KIND as BINDING
from pocketkube.api.meta import errors, field, objects, times

Obj = dict[str, Any]

CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    """`resource` is pods."""
    writer = writer_of(request, "CreateOptions")
    binding = await read_object(request, resource, writer, kind=BINDING)
    given = binding["metadata"].get("name")
    if given and given != request.info.name:
        raise errors.BadRequest("name in URL does not match name in Binding object")
    name = request.info.name
    _check(binding, name)
    await _admit(api, request, resource, writer, binding, name=name)
    return await _bind(api, request, resource, writer, binding, name)


async def handle_collection(api: Api, request: Request, resource: Resource) -> Response:
    writer = writer_of(request, "CreateOptions")
    binding = await read_object(request, resource, writer)
    name = binding["metadata"].get("name", "")
    _check(binding, name)
    await _admit(api, request, resource, writer, binding, name=name)
    return await _bind(api, request, api.registry.by_plural("", "pods"), writer, binding, name)


async def _admit(api: Api, request: Request, resource: Resource, writer: Writer, binding: Obj, *, name: str) -> None:
    asked = AdmissionRequest(
        "CREATE", resource.kind, request.info.namespace, name, request.info.subresource, binding, None, request.user,
        writer.dry_run, writer.options, writer.warnings, writer.annotations,
    )  # fmt: skip
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)


async def _bind(api: Api, request: Request, pods: Resource, writer: Writer, binding: Obj, name: str) -> Response:
    namespace = request.info.namespace
    now = times.rfc3339(api.registry.clock.now())
    await replacement.replace(
        api.registry,
        pods,
        writer,
        lambda entry: _bound(pods.copy(entry), entry, binding, now=now),
        namespace=namespace,
        name=name,
        subresource="binding",
    )
    return respond_status(request, CREATED, code=201)


def _check(binding: Obj, name: str) -> None:
    target = binding.get("target") or {}
    found = []
    if target.get("kind") not in (None, "", "Node", "Minion"):
        found.append(field.not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        found.append(field.required("target.name"))
    if found:
        raise errors.invalid("", "Binding", name, found)


def _bound(pod: Obj, entry: Entry, binding: Obj, *, now: str) -> Obj:
    """The pod on its node. Raises Conflict for one that cannot be bound (any more)."""
    node = binding["target"]["name"]
    meta, wanted = pod["metadata"], binding["metadata"]
    name = meta["name"]
    if wanted.get("uid") and wanted["uid"] != meta["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {meta['uid']}"
        raise errors.conflict("", "pods/binding", name, why)
    if meta.get("deletionTimestamp"):
        raise errors.conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod["spec"].get("nodeName"):
        raise errors.conflict(
            "", "pods/binding", name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
        )
    if pod["spec"].get("schedulingGates"):
        raise errors.conflict("", "pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
    pod["spec"]["nodeName"] = node
    for part in ("annotations", "labels"):
        if wanted.get(part):
            meta[part] = {**meta.get(part, {}), **wanted[part]}
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    objects.set_condition(conditions, {"type": "PodScheduled", "status": "True"}, now)
    if wanted.get("resourceVersion"):
        meta["resourceVersion"] = wanted["resourceVersion"]
    return pod
