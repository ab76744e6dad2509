"""`kubectl describe TYPE [NAME]`: an object, what belongs to it and what happened to it, for a person to read."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import describing
from kubectl.command import Command, Parser, add_files, add_selectors
from kubectl.errors import CommandError
from kubectl.resolve import Target, objects, selectors, targets
from kubectl.session import Session
from pocketkube.api.meta.errors import NotFound
from pocketkube.client.resources import EVENTS

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE [NAME]")
    add_files(parser)
    add_selectors(parser)
    parser.add_argument("--show-events", nargs="?", const="true", default="")
    parser.add_argument("--chunk-size", type=int, default=500, help=argparse.SUPPRESS)


async def run(session: Session, args: argparse.Namespace) -> int:
    try:
        found = await objects(session, args.words, args)
    except NotFound:
        found = await _by_prefix(session, args)
        if not found:
            raise
    if not found:
        session.warn(
            "No resources found" if args.all_namespaces else f"No resources found in {session.namespace} namespace."
        )
        return 0
    texts = []
    for target, obj in found:
        shown = _shows(args.show_events, len(found)) and describing.shows_events(target)
        events = await _events(session, target, obj) if shown else None
        texts.append(await describing.text(session, target, obj, events))
    session.out.write("\n\n".join(texts))
    return 0


def _shows(flag: str, count: int) -> bool:
    """Unless told, events are looked for only where one object is described."""
    return flag == "true" if flag else count == 1


async def _by_prefix(session: Session, args: argparse.Namespace) -> list[tuple[Target, Obj]]:
    """`describe pod web` means every pod whose name begins with web, where none has just that name."""
    out = []
    for target in await targets(session, args.words, args):
        for obj in await session.client.items(target.resource, target.namespace, **selectors(args)):
            meta = obj["metadata"]
            if meta["name"].startswith(target.name):
                out.append((Target(target.found, meta.get("namespace", ""), meta["name"]), obj))
    return out


async def _events(session: Session, target: Target, obj: Obj) -> list[Obj]:
    meta = obj["metadata"]
    fields = f"involvedObject.name={meta['name']},involvedObject.kind={target.resource.kind}"
    if target.resource.kind != "Node":
        fields += f",involvedObject.uid={meta['uid']}"
    try:
        found = await session.client.items(EVENTS, meta.get("namespace", ""), fieldSelector=fields)
    except CommandError:
        return []
    # a node's own agent knows no uid of it: what others said comes first
    return sorted(found, key=lambda e: (e.get("involvedObject") or {}).get("uid") != meta["uid"])


COMMAND = Command(help="Show details of a specific resource or group of resources", run=run, arguments=arguments)
