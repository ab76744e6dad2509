"""A request's body becomes an object of the expected kind, or the 400 or 415 that upstream gives."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.registry.resource import Resource
from apiserver.registry.writer import BULKY, Writer
from apiserver.request import Request
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, field
from pocketkube.api.schema import decode

Obj = dict[str, Any]

_JSON = ("", "application/json", "*/*")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_YAML = ("application/yaml", "text/yaml")
_VALIDATIONS = ("Ignore", "Warn", "Strict")
ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


def media_type(request: Request) -> str:
    return request.header(b"content-type").split(b";", 1)[0].strip().lower().decode("latin-1")


def parse(body: bytes, media: str, *, mode: str = "Ignore", definition: str = "") -> tuple[Any, list[str]]:
    """(value, messages about duplicate fields). `definition` names what a protobuf body would be.

    Raises BadRequest, UnsupportedMediaType."""
    if media in _JSON:
        return decode.parse_json(body, mode=mode)
    if media in _YAML:
        from pocketkube.api.schema import yaml_text

        return yaml_text.parse_yaml(body, mode=mode)
    if media == _PROTOBUF and definition:
        from apiserver.protobuf import wire

        if wire.known(definition):
            return wire.decode(body, definition), []
    raise errors.UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {ACCEPTED}"
    )


_UNREAD = (
    "couldn't get version/kind",
    "error converting YAML",
    "yaml:",
    "provided data does not appear to be a protobuf",
)


def parse_as(kind: Kind, body: bytes, media: str, *, mode: str = "Ignore") -> tuple[Any, list[str]]:
    """As `parse`; a body that is no document at all is shown, as far as it helps to know it again."""
    try:
        return parse(body, media, mode=mode, definition=kind.schema.name)
    except errors.BadRequest as wrong:
        if not wrong.message.startswith(_UNREAD):
            raise
        raise errors.BadRequest(f"{_unrecognized(kind)}: {wrong.message} ({_summary(body)})") from None


def _unrecognized(kind: Kind) -> str:
    return f"the object provided is unrecognized (must be of type {kind.kind})"


def _summary(body: bytes, most: int = 30) -> str:
    """The first bytes of a body, as hexadecimal digits where it does not begin like an object."""
    if not body:
        return "<empty>"
    start = body[:most]
    text = start.decode(errors="replace") if body[:1] == b"{" else start.hex()
    return f"{text} ..." if len(body) > most else text


def decode_object(kind: Kind, value: Any, messages: list[str], writer: Writer) -> Obj:
    """Check a parsed value against its kind and bring it to the kept form, in place. Adds to the writer's warnings."""
    obj = _typed(kind, value)
    found = messages + kind.schema.decode(obj, mode=writer.validation)
    if found:
        if writer.validation == "Strict":
            raise decode.strict_error(obj, found)
        writer.warnings += found
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    return obj


def decode_changed(kind: Kind, new: Obj, old: Obj, writer: Writer) -> Obj:
    """`decode_object` of an object that was made of `old`, which is in the kept form: the parts that both share are too.
    A custom kind's schema may have changed since `old` was kept, so it is looked at whole."""
    shared = {name: value for name, value in new.items() if isinstance(value, dict) and value is old.get(name)}
    if kind.custom or not shared:
        return decode_object(kind, new, [], writer)
    rest = decode_object(kind, {name: value for name, value in new.items() if name not in shared}, [], writer)
    both = rest | shared
    return {name: both[name] for name in new if name in both} | both


def _typed(kind: Kind, value: Any) -> Obj:
    if value is None and not kind.custom:
        value = {}
    if not isinstance(value, dict):
        raise errors.BadRequest(f"{_unrecognized(kind)}: couldn't get version/kind")
    api_version, name = value.get("apiVersion"), value.get("kind")
    if name == kind.kind and api_version == kind.api_version:
        return value
    if not name and kind.custom:
        missing = f"Object 'Kind' is missing in '{orjson.dumps(value).decode()}'"
        raise errors.BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {missing}'
        )
    if not name and not api_version:
        value["kind"], value["apiVersion"] = kind.kind, kind.api_version
        return value
    if kind.custom and not (name and api_version):
        missing = "Kind" if not name else "apiVersion"
        raise errors.BadRequest(f"{_unrecognized(kind)}: Object '{missing}' is missing")
    name = value["kind"] = name or kind.kind
    if isinstance(api_version, str) and api_version.startswith("/"):  # the core group, by its empty name
        api_version = api_version[1:]
    api_version = value["apiVersion"] = api_version or kind.api_version
    if name != kind.kind:
        if kind.custom and api_version == kind.api_version:
            given = value["metadata"].get("name", "") if isinstance(value.get("metadata"), dict) else ""
            raise errors.invalid(kind.group, name, given, [field.invalid("kind", name, f"must be {kind.kind}")])
        version = str(api_version).rsplit("/", 1)[-1]
        raise errors.BadRequest(
            f'{name} in version "{version}" cannot be handled as a {kind.kind}: {_not_a(kind, str(name), str(api_version))}'
        )
    if api_version != kind.api_version:
        raise errors.BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
        )
    return value


def _not_a(kind: Kind, name: str, api_version: str) -> str:
    """Why an object of another kind is none of this one: it is known as something else, or not at all."""
    from pocketkube.api import scheme

    group, _, version = api_version.rpartition("/")
    if scheme.builtin().by_gvk(group, version, name) is None or kind.custom:
        return f'no kind "{name}" is registered for version "{api_version}"'
    inner = kind.group.partition(".")[0] or "core"
    return f"converting ({version}.{name}) to ({inner}.{kind.kind}): unknown conversion"


async def read_object(
    request: Request, resource: Resource, writer: Writer, *, kind: Kind | None = None, also: str = ""
) -> Obj:
    """The body as an object of the resource's kind, or of `kind`. `also` is an older apiVersion of the same shape."""
    body = await request.body()
    writer.bulky = len(body) > BULKY
    return await writer.run(_read, kind or resource.kind, body, media_type(request), writer, also)


def _read(kind: Kind, body: bytes, media: str, writer: Writer, also: str) -> Obj:
    value, messages = parse_as(kind, body, media, mode=writer.validation)
    if also and isinstance(value, dict) and (value.get("kind"), value.get("apiVersion")) == (kind.kind, also):
        value["apiVersion"] = kind.api_version
    return decode_object(kind, value, messages, writer)


def writer_of(request: Request, options: str) -> Writer:
    """Who writes, and what the query says about it. `options`: CreateOptions, UpdateOptions, PatchOptions, DeleteOptions."""
    query = request.query
    writer = Writer(
        request.user, _manager(request), warnings=request.warnings, validation="Warn", annotations=request.annotations
    )
    if not query:
        return writer
    found = []
    if "dryRun" in query:
        values = [value for value in request.query_all("dryRun") if value]
        found += [field.not_supported("dryRun", values, ["All"]) for value in values if value != "All"][:1]
        writer.dry_run = bool(values)
        writer.options["dryRun"] = values
    validation = query.get("fieldValidation") or "Warn"
    if validation not in _VALIDATIONS:
        found.append(field.not_supported("fieldValidation", validation, sorted(_VALIDATIONS)))
    writer.validation = validation
    manager = query.get("fieldManager", "")
    if manager:
        writer.options["fieldManager"] = writer.manager = manager
        if len(manager) > 128:
            found.append(field.too_long("fieldManager", 128))
        for at, char in enumerate(manager):
            if not char.isprintable():
                found.append(
                    field.invalid("fieldManager", manager, f"invalid character U+{ord(char):04X} (at position {at})")
                )
    if found:
        raise errors.invalid("meta.k8s.io", options, "", found)
    return writer


def _manager(request: Request) -> str:
    """The field manager of a client that names none: its program, as User-Agent gives it."""
    agent = request.header(b"user-agent")
    return agent.split(b"/", 1)[0].decode("latin-1")[:128] if agent else "unknown"
