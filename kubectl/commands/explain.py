"""`kubectl explain pod.spec.containers`: documentation of fields, from the server's OpenAPI documents."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from kubectl.command import Command, Parser
from kubectl.errors import CommandError
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("path", metavar="TYPE[.FIELD...]")
    parser.add_argument("--recursive", action="store_true")
    parser.add_argument("--api-version", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    word, *fields = args.path.split(".")
    found = await session.discovery.find(word)
    r = found.resource
    root = f"apis/{r.group}/{r.version}" if r.group else f"api/{r.version}"
    schemas = await _schemas(session, root)
    schema = _of_kind(schemas, r.group, r.version, kind=r.kind)
    lines = [f"GROUP:      {r.group}"] if r.group else []
    lines += [f"KIND:       {r.kind}", f"VERSION:    {r.version}", ""]
    name = ""
    for field in fields:
        parent = _resolve(schemas, schema)
        schema = _resolve(schemas, parent.get("items", parent)).get("properties", {}).get(field) or {}
        if not schema:
            session.say("\n".join(lines))
            raise CommandError(f'field "{field}" does not exist')
        name = field
    if name:
        lines += [f"FIELD: {name} <{_type(schemas, schema)}>", "", ""]
    inner = _resolve(schemas, _inner(schemas, schema))
    # of the field, of what it holds, of the type of that: each once
    told = [s.get("description") or "" for s in (schema, _resolve(schemas, schema), inner)]
    texts = list(dict.fromkeys(filter(None, told))) or ["<empty>"]
    lines += ["DESCRIPTION:", *(line for text in texts for line in _wrapped(text, 4)), ""]
    if inner.get("properties"):
        lines += ["FIELDS:", *_fields(schemas, inner, depth=1, recursive=args.recursive, seen=())]
    session.say("\n".join([*lines, ""]))
    return 0


async def _schemas(session: Session, root: str) -> Obj:
    """By name; of servers that have no OpenAPI v3 in the form before it."""
    try:
        document = await session.client.request("GET", f"/openapi/v3/{root}")
    except NotFound:
        older: Obj = (await session.client.request("GET", "/openapi/v2")).get("definitions") or {}
        return older
    found: Obj = document.get("components", {}).get("schemas", {})
    return found


def _of_kind(schemas: Obj, group: str, version: str, *, kind: str) -> Obj:
    wanted = {"group": group, "version": version, "kind": kind}
    for schema in schemas.values():
        if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
            return dict(schema)
    raise CommandError(f"couldn't find the documentation of {kind}")


def _resolve(schemas: Obj, schema: Obj) -> Obj:
    """Follow references; what stands beside one (a description, a default) is kept."""
    for _ in range(20):
        reference = schema.get("$ref") or next((s["$ref"] for s in schema.get("allOf") or () if "$ref" in s), None)
        if not reference:
            break
        schema = schemas.get(reference.rpartition("/")[2], {})
    return schema


def _inner(schemas: Obj, schema: Obj) -> Obj:
    """The object inside arrays and maps."""
    found = _resolve(schemas, schema)
    while found.get("items") or isinstance(found.get("additionalProperties"), dict):
        found = _resolve(schemas, found.get("items") or found["additionalProperties"])
    return found


def _type(schemas: Obj, schema: Obj) -> str:
    found = _resolve(schemas, schema)
    if found.get("type") == "array":
        return f"[]{_type(schemas, found.get('items') or {})}"
    if isinstance(found.get("additionalProperties"), dict):
        return f"map[string]{_type(schemas, found['additionalProperties'])}"
    reference = schema.get("$ref") or next((s["$ref"] for s in schema.get("allOf") or () if "$ref" in s), "")
    if reference and found.get("type", "object") == "object":
        return str(reference.rpartition(".")[2])
    return "Object" if found.get("type", "object") == "object" else str(found.get("type"))


def _fields(schemas: Obj, schema: Obj, *, depth: int, recursive: bool, seen: tuple[str, ...]) -> list[str]:
    lines = []
    for name, field in sorted(schema["properties"].items()):
        required = " -required-" if name in (schema.get("required") or ()) else ""
        kind = _type(schemas, field)
        lines.append(f"{'  ' * depth}{name}\t<{kind}>{required}")
        if recursive:
            inner = _inner(schemas, field)
            if inner.get("properties") and kind not in seen:
                lines += _fields(schemas, inner, depth=depth + 1, recursive=True, seen=(*seen, kind))
        else:
            text = field.get("description") or _resolve(schemas, field).get("description") or "<no description>"
            lines += [*_wrapped(text, 4), ""]
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    pad = " " * indent
    return [
        line
        for part in text.splitlines()
        for line in (
            textwrap.wrap(
                part, 80, initial_indent=pad, subsequent_indent=pad, break_on_hyphens=False, break_long_words=False
            )
            or [""]
        )
    ]


COMMAND = Command(help="Get documentation for a resource", run=run, arguments=arguments)
