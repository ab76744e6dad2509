"""The scale subresource: a Scale is a view of an object's replicas; writing it changes them and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from apiserver.api import Api
from apiserver.decoding import decode_object, media_type, parse, writer_of
from apiserver.freshness import wait_for
from apiserver.handlers.patch import APPLY, check_identity, checked, patch_of, refuse_force
from apiserver.registry import replacement
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.representation import respond
from apiserver.request import Request, Response
from apiserver.storage.cache import Entry
from pocketkube.api.kinds.kind import Kind, ScalePaths
from pocketkube.api.meta import errors, field
from pocketkube.api.meta.selectors import format_label_selector
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

SCALE = Kind(
    group="autoscaling",
    version="v1",
    kind="Scale",
    plural="",
    namespaced=True,
    schema=Schema.of("io.k8s.api.autoscaling.v1.Scale"),
)
_CUSTOM = replace(SCALE, custom=True)  # which takes no strategic merge patch


async def get(api: Api, request: Request, resource: Resource) -> Response:
    info = request.info
    await wait_for(api.registry, resource, request.query.get("resourceVersion", ""))
    entry = resource.cache.get(info.namespace, info.name)
    if entry is None:
        plural = resource.plural if resource.kind.custom else f"{resource.plural}/scale"
        raise errors.not_found(resource.group, plural, info.name)
    await resource.load([entry])
    _check_scalable(resource, resource.obj(entry))
    return respond(request, scale_of(resource.obj(entry), _paths(resource)))


async def update(api: Api, request: Request, resource: Resource) -> Response:
    writer = writer_of(request, "UpdateOptions")
    value, messages = parse(
        await request.body(), media_type(request), mode=writer.validation, definition=SCALE.schema.name
    )
    scale = decode_object(SCALE, value, messages, writer)
    return await _write(api, request, resource, writer, lambda _: scale)


async def patch(api: Api, request: Request, resource: Resource) -> Response:
    writer = writer_of(request, "PatchOptions")
    media, body = media_type(request), await request.body()
    if media == APPLY:
        config, _ = parse(body, "application/yaml")
        scale = decode_object(SCALE, config, [], writer)
        scale["metadata"].setdefault("name", request.info.name)
        return await _write(api, request, resource, writer, lambda _: scale)
    refuse_force(request)
    change = patch_of(_CUSTOM if resource.kind.custom else SCALE, media, body, writer)

    def changed(old: Obj) -> Obj:
        return checked(change(old), lambda new: decode_object(SCALE, new, [], writer))

    return await _write(api, request, resource, writer, changed)


def _check_scalable(resource: Resource, obj: Obj) -> None:
    """A custom resource that does not say how many it wants has no scale."""
    path = _paths(resource).spec_replicas
    if resource.kind.custom and _get(obj, path) is None:
        why = f'the spec replicas field ".{path}" does not exist'
        raise errors.InternalError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})


def scale_of(obj: Obj, at: ScalePaths) -> Obj:
    """The Scale of an object. Its selector is a string."""
    meta = obj["metadata"]
    status: Obj = {"replicas": _get(obj, at.status_replicas) or 0}
    selector = _get(obj, at.selector) if at.selector else None
    if selector is not None:
        text = selector if isinstance(selector, str) else format_label_selector(_as_selector(selector))
        if text:
            status["selector"] = text
    replicas = _get(obj, at.spec_replicas)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in kept if name in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _as_selector(selector: Obj) -> Obj:
    """A replication controller's selector is a bare map of labels."""
    bare = "matchLabels" not in selector and "matchExpressions" not in selector
    return {"matchLabels": selector} if bare else selector


def _paths(resource: Resource) -> ScalePaths:
    return resource.kind.scale or ScalePaths(selector="spec.selector")


async def _write(
    api: Api, request: Request, resource: Resource, writer: Writer, make: Callable[[Obj], Obj]
) -> Response:
    info, at = request.info, _paths(resource)

    def change(entry: Entry) -> Obj:
        obj = resource.copy(entry)
        scale = make(scale_of(obj, at))
        _check_identity(resource, scale, entry, obj["metadata"]["uid"])
        wanted = (scale.get("spec") or {}).get("replicas", 0)
        if wanted < 0 and not resource.kind.custom:  # those are told of it where they have it
            fault = field.invalid("spec.replicas", wanted, "must be greater than or equal to 0")
            raise errors.invalid("autoscaling", "Scale", info.name, [fault])
        _set(obj, at.spec_replicas, wanted)
        version = scale["metadata"].get("resourceVersion")
        if version:
            obj["metadata"]["resourceVersion"] = version
        return obj

    view = replacement.View(
        lambda obj: scale_of(obj, at),
        lambda obj, scale: _set(obj, at.spec_replicas, (scale.get("spec") or {}).get("replicas", 0)),
    )
    written = await replacement.replace(
        api.registry, resource, writer, change, namespace=info.namespace, name=info.name, subresource="scale", view=view
    )
    return respond(request, scale_of(written.obj, at))


def _check_identity(resource: Resource, scale: Obj, entry: Entry, uid: str) -> None:
    """Raises BadRequest, Conflict."""
    metadata = scale["metadata"]
    metadata.setdefault("namespace", entry.namespace)
    check_identity(scale, entry)
    given = metadata.get("uid") or uid
    if given != uid:
        why = f"Precondition failed: UID in precondition: {given}, UID in object meta: {uid}"
        raise errors.conflict(resource.group, f"{resource.plural}/scale", entry.name, why)


def _steps(path: str) -> list[str]:
    return [step for step in path.split(".") if step]


def _get(obj: Any, path: str) -> Any:
    for step in _steps(path):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def _set(obj: Obj, path: str, value: Any) -> None:
    *parents, last = _steps(path)
    for step in parents:
        obj = obj.setdefault(step, {})
    obj[last] = value
