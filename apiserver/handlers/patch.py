"""PATCH: JSON patch, merge patch, strategic merge patch and server-side apply, told apart by Content-Type alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from apiserver.api import Api
from apiserver.decoding import decode_changed, decode_object, media_type, parse, writer_of
from apiserver.handlers.create import permit
from apiserver.registry import ownership, replacement
from apiserver.registry.resource import Resource
from apiserver.registry.writer import BULKY, Writer
from apiserver.representation import respond_object
from apiserver.request import Request, Response
from apiserver.storage.cache import Entry
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, field, times
from pocketkube.api.meta.apply import server_side_apply
from pocketkube.api.meta.patches import json_patch, merge_patch, strategic_merge
from pocketkube.api.schema import readers

Obj = dict[str, Any]
Patch = Callable[[Obj], Obj]

APPLY = "application/apply-patch+yaml"
_JSON = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_ACCEPTED = (_JSON, _MERGE, APPLY)


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    info = request.info
    writer = writer_of(request, "PatchOptions")
    media = media_type(request)
    body = await request.body()
    writer.bulky = len(body) > BULKY
    missing: Callable[[], Awaitable[Obj]] | None = None
    change: replacement.Change
    if media == APPLY:
        given = (api, request, resource, body, writer)
        applied = await asyncio.to_thread(_Apply, *given) if writer.bulky else _Apply(*given)
        change = applied.change
        missing = applied.create if not info.subresource else None
    else:
        refuse_force(request)
        change = _changing(resource, patch_of(resource.kind, media, body, writer), writer)
    written = await replacement.replace(
        api.registry,
        resource,
        writer,
        change,
        namespace=info.namespace,
        name=info.name,
        subresource=info.subresource,
        missing=missing,
    )
    status = 201 if written.created else 200
    return respond_object(request, resource, written.data, obj=written.obj, status=status, clock=api.registry.clock)


def patch_of(kind: Kind, media: str, body: bytes, writer: Writer) -> Patch:
    """What a patch does to an object of `kind`. Raises UnsupportedMediaType, BadRequest."""
    if media not in (_JSON, _MERGE, _STRATEGIC) or (media == _STRATEGIC and kind.custom):
        raise _unknown_form(kind)
    patch, duplicates = _read(media, body, writer)
    if duplicates:
        if writer.validation == "Strict":
            raise errors.BadRequest("strict decoding error: " + ", ".join(duplicates))
        writer.warnings += duplicates
    if media == _JSON:
        return lambda obj: json_patch(obj, patch)
    if media == _MERGE:
        return lambda obj: merge_patch(obj, patch)
    schema = kind.schema
    return lambda obj: strategic_merge(obj, patch, schema)


def check_form(kind: Kind, media: str) -> None:
    """Raises UnsupportedMediaType for what is no patch of a custom resource."""
    if media not in _ACCEPTED:
        raise _unknown_form(kind)


def _unknown_form(kind: Kind) -> errors.UnsupportedMediaType:
    if not kind.custom:
        return errors.unrouted(errors.UnsupportedMediaType("415: Unsupported Media Type"))
    return errors.UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(_ACCEPTED)}"
    )


def _read(media: str, body: bytes, writer: Writer) -> tuple[Any, list[str]]:
    """The patch, and messages about fields that it has twice. Raises BadRequest as the decoders of upstream do."""
    try:
        patch, duplicates = parse(body, "", mode=writer.validation)
    except errors.BadRequest as wrong:
        raise _undecodable(media, wrong.message.partition("json parse error: ")[2] or wrong.message) from None
    if media != _JSON:
        if patch is None and media == _MERGE:
            raise errors.BadRequest("Invalid JSON Patch")
        _expect(media, {} if patch is None else patch, dict, "map[string]interface {}")
        return patch or {}, duplicates
    _expect(media, [] if patch is None else patch, list, "[]handlers.jsonPatchOp")
    for operation in patch or ():
        _expect(media, operation, dict, "handlers.jsonPatchOp")
    return patch or [], duplicates


def _expect(media: str, value: Any, wanted: type, name: str) -> None:
    if not isinstance(value, wanted):
        raise _undecodable(media, f"json: cannot unmarshal {readers.json_name(value, '')} into Go value of type {name}")


def _undecodable(media: str, why: str) -> errors.BadRequest:
    return errors.BadRequest(why if media == _STRATEGIC else f"error decoding patch: {why}")


def refuse_force(request: Request) -> None:
    """Raises Invalid: nothing is forced but server-side apply."""
    if "force" in request.query:
        fault = field.forbidden("force", "may not be specified for non-apply patch")
        raise errors.invalid("meta.k8s.io", "PatchOptions", "", [fault])


def checked(new: Any, read: Callable[[Obj], Obj]) -> Obj:
    """What a patch has made, read as an object of its kind. Raises Invalid where it is none."""
    if not isinstance(new, dict):
        raise errors.BadRequest("the patch leaves no object")
    try:
        return read(new)
    except errors.BadRequest as wrong:
        shown = orjson.dumps(new, option=orjson.OPT_SORT_KEYS).decode()
        raise errors.invalid("", "", "", [field.invalid("patch", shown, _why(wrong.message))]) from None


def _changing(resource: Resource, patch: Patch, writer: Writer) -> Callable[[Entry], Obj]:
    warned = len(writer.warnings)

    def change(entry: Entry) -> Obj:
        del writer.warnings[warned:]  # of a try before this one
        old = resource.copy(entry)
        uid = old["metadata"]["uid"]

        def read(new: Obj) -> Obj:
            if resource.converts:
                return decode_object(resource.kind, new, [], writer)
            return decode_changed(resource.kind, new, old, writer)

        new = patch(old)
        _check_version(resource.kind, new, entry.name)
        new = checked(new, read)
        check_identity(new, entry)
        if new["metadata"].get("uid", uid) != uid:
            kind, fault = resource.kind, field.invalid("metadata.uid", new["metadata"]["uid"], "field is immutable")
            raise errors.invalid(kind.group, kind.kind, entry.name, [fault])
        return new

    return change


def _check_version(kind: Kind, new: Obj, name: str) -> None:
    """A patched custom resource is still of the version that was asked for."""
    given = new.get("apiVersion", "") if isinstance(new, dict) else kind.api_version
    if kind.custom and given != kind.api_version:
        fault = field.invalid("apiVersion", given, f"must be {kind.api_version}")
        raise errors.invalid(kind.group, kind.kind, name, [fault])


def _why(message: str) -> str:
    """The end of `ConfigMap in version "v1" cannot be handled as a ConfigMap: ...`."""
    return message.partition(" cannot be handled as a ")[2].partition(": ")[2] or message


def check_identity(new: Obj, entry: Entry) -> None:
    """Raises BadRequest where a written object is not the one that the URL names."""
    metadata = new["metadata"]
    if not metadata.get("name"):
        raise errors.BadRequest(
            f"the name of the object ({entry.name} based on URL) was undeterminable: name must be provided"
        )
    if metadata["name"] != entry.name:
        raise errors.BadRequest(
            f"the name of the object ({metadata.get('name', '')}) does not match the name on the URL ({entry.name})"
        )
    if metadata.get("namespace", "") != entry.namespace:
        raise errors.BadRequest(
            f"the namespace of the object ({metadata.get('namespace', '')}) does not match the namespace on the request "
            f"({entry.namespace})"
        )


class _Apply:
    """One server-side apply: the configuration read once, merged into whatever is there at each try."""

    def __init__(self, api: Api, request: Request, resource: Resource, body: bytes, writer: Writer):
        self._api = api
        self._request = request
        self._resource = resource
        self._body = body
        self._writer = writer
        self._info = request.info
        self._force = request.flag("force")
        writer.operation = "Apply"
        if not request.query.get("fieldManager"):
            fault = field.required("fieldManager", "is required for apply patch")
            raise errors.invalid("meta.k8s.io", "PatchOptions", "", [fault])
        self._check(self._config())

    def _config(self) -> Obj:
        mode = self._writer.validation if self._writer.validation == "Strict" else "Ignore"
        value, duplicates = parse(self._body, "application/yaml", mode=mode)
        if duplicates:
            raise errors.BadRequest("error strict decoding YAML: " + ", ".join(duplicates))
        if not isinstance(value, dict):
            raise errors.BadRequest("error decoding YAML: not an object")
        if value.get("metadata") is None:
            value["metadata"] = {}
        if not isinstance(value["metadata"], dict):
            raise errors.BadRequest("error decoding YAML: metadata is not an object")
        return value

    def _check(self, config: Obj) -> None:
        kind, info = self._resource.kind, self._info
        if config.get("kind") != kind.kind or config.get("apiVersion") != kind.api_version:
            got = f"{config.get('apiVersion', '')}, Kind={config.get('kind', '')}"
            if config.get("apiVersion") != kind.api_version:
                raise errors.BadRequest(
                    "Incorrect version specified in apply patch. "
                    f"Specified patch version: {config.get('apiVersion', '')}, expected: {kind.api_version}"
                )
            raise errors.BadRequest(
                f"the object in the patch is {got}, but {kind.api_version}, Kind={kind.kind} is patched"
            )
        metadata = config["metadata"]
        name = metadata.get("name", info.name)
        if name != info.name:
            raise errors.BadRequest(f"the name of the object ({name}) does not match the name on the URL ({info.name})")
        if metadata.get("namespace", info.namespace) != info.namespace:
            raise errors.BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )

    def _merged(self, live: Obj | None) -> Obj:
        config = self._config()
        metadata = config["metadata"]
        metadata["name"] = self._info.name
        if self._info.namespace:
            metadata["namespace"] = self._info.namespace
        wanted = metadata.pop("resourceVersion", None)
        uid = metadata.pop("uid", None)
        now = times.rfc3339(self._api.registry.clock.now())
        new = server_side_apply(
            live,
            config,
            self._resource.kind.schema,
            manager=self._writer.manager,
            force=self._force,
            subresource=self._info.subresource,
            api_version=self._resource.api_version,
            now=now,
            reset=ownership.resets(self._resource, self._info.subresource),
            view=ownership.view(self._resource, self._api.registry.kind_of),
        )
        return _with(new, resourceVersion=wanted, uid=uid)

    def change(self, entry: Entry) -> Obj:
        return self._merged(self._resource.copy(entry))

    async def create(self) -> Obj:
        """The object to make where there is none. Raises Forbidden, Conflict, NotFound."""
        await permit(self._api, self._request)
        new = self._merged(None)
        metadata = new["metadata"]
        if metadata.get("uid"):
            raise errors.conflict(
                self._resource.group, self._resource.plural, self._info.name,
                f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found",
            )  # fmt: skip
        if metadata.get("resourceVersion"):
            raise errors.not_found(self._resource.group, self._resource.plural, self._info.name)
        return new


def _with(obj: Obj, **identity: Any) -> Obj:
    for name, value in identity.items():
        if value:
            obj["metadata"][name] = value
    return obj
