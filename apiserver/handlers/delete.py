"""DELETE of one object. The answer is the object while something still holds it, a Status once it is gone."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.decoding import media_type, parse, writer_of
from apiserver.registry import deletion
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.representation import respond_object, respond_status
from apiserver.request import Request, Response
from pocketkube.api.meta import errors, field
from pocketkube.api.schema import Schema, decode

Obj = dict[str, Any]

_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_POLICIES = ["Foreground", "Background", "Orphan"]


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    info = request.info
    writer = writer_of(request, "DeleteOptions")
    options = await delete_options(request, writer)
    obj, data, gone = await deletion.delete(
        api.registry, resource, writer, options, namespace=info.namespace, name=info.name
    )
    if gone and not resource.strategy.returns_deleted:
        return respond_status(request, success(resource, obj))
    status = 202 if not gone and options.get("orphanDependents") is False else 200
    return respond_object(request, resource, data, status=status, clock=api.registry.clock)


def success(resource: Resource, obj: Obj) -> Obj:
    """The Status of a completed deletion."""
    metadata = obj["metadata"]
    details = {"name": metadata["name"], "kind": resource.plural}
    if uid := metadata.get("uid"):  # what was not written by an API server has none
        details["uid"] = uid
    if resource.group:
        details["group"] = resource.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def delete_options(request: Request, writer: Writer) -> Obj:
    """DeleteOptions out of the body, or else out of the query. Raises BadRequest, Invalid."""
    body = await request.body()
    options: Obj = {}
    if body:
        options, _ = parse(body, media_type(request), definition=_DELETE_OPTIONS)
        if not isinstance(options, dict):
            raise errors.BadRequest("the body is not a DeleteOptions")
        if options.get("kind", "DeleteOptions") not in ("DeleteOptions", ""):
            raise errors.BadRequest(decode.cannot_be_handled(options, "it is not a DeleteOptions"))
        Schema.of(_DELETE_OPTIONS).decode(options, mode="Ignore")
    elif request.query:
        options = _from_query(request)
    writer.dry_run = writer.dry_run or bool(options.get("dryRun"))
    _check(options)
    return options


def _from_query(request: Request) -> Obj:
    options: Obj = {}
    grace = request.integer("gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if policy := request.query.get("propagationPolicy"):
        options["propagationPolicy"] = policy
    if "orphanDependents" in request.query:
        options["orphanDependents"] = request.flag("orphanDependents")
    return options


def _check(options: Obj) -> None:
    found = []
    policy = options.get("propagationPolicy")
    if policy is not None and options.get("orphanDependents") is not None:
        found.append(
            field.invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")
        )
    if policy is not None and policy not in _POLICIES:
        found.append(field.not_supported("propagationPolicy", policy, [*_POLICIES, "nil"]))
    for value in options.get("dryRun") or ():
        if value != "All":
            found.append(field.not_supported("dryRun", value, ["All"]))
    grace = options.get("gracePeriodSeconds")
    if grace is not None and grace < 0:
        options["gracePeriodSeconds"] = 1
    if found:
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", found)
