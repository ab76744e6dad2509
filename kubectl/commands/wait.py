"""`kubectl wait --for=condition=Ready|delete|create|jsonpath=...`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable

from kubectl import jsonpath
from kubectl.command import Command, Parser, add_files, add_selectors
from kubectl.errors import CommandError
from kubectl.resolve import Target, selectors, targets
from kubectl.session import Session
from kubectl.waiting import Obj, bounded, duration, states, until_gone
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta.errors import NotFound

NEVER_THERE = object()


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE/NAME")
    add_files(parser)
    add_selectors(parser)
    parser.add_argument("--for", dest="wanted", required=True)
    parser.add_argument("--timeout", default="30s")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-o", "--output", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    seconds = duration(args.timeout)
    found = await _targets(session, args)
    if not found:
        raise CommandError("no matching resources found")
    jobs = [bounded(_met(session, t, args.wanted), seconds, f"{t.resource.plural}/{t.name}") for t in found]
    failed = 0
    for target, result in zip(found, await asyncio.gather(*jobs, return_exceptions=True), strict=True):
        if isinstance(result, BaseException):
            if not isinstance(result, CommandError):
                raise result
            session.warn(str(result) if str(result).startswith("Error from server") else f"error: {result}")
            failed = 1
        elif result is not NEVER_THERE:
            session.say(f"{target.label} condition met")
    return failed


async def _targets(session: Session, args: argparse.Namespace) -> list[Target]:
    out = []
    for target in await targets(session, args.words, args):
        if target.name:
            out.append(target)
        else:
            for obj in await session.client.items(target.resource, target.namespace, **selectors(args)):
                out.append(Target(target.found, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
    return out


async def _met(session: Session, target: Target, wanted: str) -> object:
    """Return once it is so; NEVER_THERE of what was to be deleted and is not there from the start."""
    if wanted == "delete":
        return await _deleted(session, target)
    test = _test(wanted)
    first = True
    async for obj in states(session, target):
        if obj is None and first and wanted != "create":
            raise CommandError(f'Error from server (NotFound): {target.resource.qualified} "{target.name}" not found')
        first = False
        if obj is not None and test(obj):
            return None
    return None


async def _deleted(session: Session, target: Target) -> object:
    try:
        live = await session.client.get(target.resource, target.name, target.namespace)
    except NotFound:
        return NEVER_THERE
    await until_gone(session, target, live["metadata"]["uid"])
    return None


def _test(wanted: str) -> Callable[[Obj], bool]:
    if wanted == "create":
        return lambda obj: True
    kind, _, rest = wanted.partition("=")
    if kind == "condition":
        name, _, status = rest.partition("=")
        return lambda obj: _condition(obj, name, status or "true")
    if kind == "jsonpath":
        expression, _, value = rest.partition("}=")
        path = jsonpath.parse_path(expression.strip("'\"").lstrip("{").rstrip("}"))
        wanted_value = value.strip("'\"") if "}=" in rest else None
        return lambda obj: any(
            wanted_value is None or jsonpath.show(v) == wanted_value for v in jsonpath.values(path, obj)
        )
    raise CommandError(f'unrecognized condition: "{wanted}"')


def _condition(obj: Obj, name: str, status: str) -> bool:
    generation = (obj.get("status") or {}).get("observedGeneration")
    if generation is not None and generation < obj["metadata"].get("generation", 0):
        return False
    return any(
        c["type"].lower() == name.lower() and c["status"].lower() == status.lower() for c in metas.conditions(obj)
    )


COMMAND = Command(help="Wait for a specific condition on one or many resources", run=run, arguments=arguments)
