"""`kubectl delete`: by name, by file, by selector; waits until the objects are gone."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from kubectl.command import Command, Parser, add_files, add_selectors, suffix
from kubectl.errors import CommandError, sentence
from kubectl.resolve import Target, selectors, targets
from kubectl.session import Session
from kubectl.waiting import duration, until_gone
from pocketkube.api.meta.errors import NotFound

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE [NAME]")
    add_files(parser)
    add_selectors(parser)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--wait", nargs="?", const="true", default="true")
    parser.add_argument("--now", action="store_true", help="one second of grace")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--grace-period", type=int, default=-1)
    parser.add_argument("--timeout", default="0")
    parser.add_argument(
        "--cascade", nargs="?", const="background", default="background", choices=("background", "foreground", "orphan")
    )
    parser.add_argument("--ignore-not-found", action="store_true")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    parser.add_argument("-o", "--output", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    code = 0
    if args.force and args.grace_period == 0:
        session.warn(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely."
        )
    deleted: list[tuple[Target, str]] = []
    for target in await _targets(session, args):
        try:
            uid = await _delete(session, args, target)
        except NotFound as error:
            if args.ignore_not_found or args.all or args.selector:
                continue
            session.warn(sentence(error, while_=f'error when deleting "{target.source}"' if target.source else ""))
            code = 1
            continue
        if args.output == "name":
            session.say(target.label)
        else:
            forced = "force deleted" if args.force and args.grace_period == 0 else "deleted"
            session.say(f"{target.deleted(forced)}{suffix(args)}")
        if uid:
            deleted.append((target, uid))
    if args.wait == "true" and args.dry_run == "none" and not (args.force and args.grace_period == 0):
        limit = duration(args.timeout) or None
        await asyncio.wait_for(asyncio.gather(*(until_gone(session, t, uid) for t, uid in deleted)), limit)
    return code


async def _targets(session: Session, args: argparse.Namespace) -> list[Target]:
    out: list[Target] = []
    for target in await targets(session, args.words, args):
        if target.name:
            out.append(target)
            continue
        if not (args.all or args.selector or args.field_selector):
            raise CommandError("resource(s) were provided, but no name was specified")
        for obj in await session.client.items(target.resource, target.namespace, **selectors(args)):
            meta = obj["metadata"]
            out.append(Target(target.found, meta.get("namespace", ""), meta["name"]))
    if not out and (args.all or args.selector):
        session.say("No resources found")
    return out


async def _delete(session: Session, args: argparse.Namespace, target: Target) -> str:
    """The uid of what was deleted; "" where there is nothing to wait for."""
    if args.dry_run == "client":
        await session.client.get(target.resource, target.name, target.namespace)
        return ""
    grace = 1 if args.now else args.grace_period if args.grace_period >= 0 else 0 if args.force else None
    policy = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}[args.cascade]
    params = {"dryRun": "All"} if args.dry_run == "server" else {}
    answer = await session.client.delete(
        target.resource, target.name, target.namespace, grace=grace, propagation=policy, **params
    )
    if answer.get("kind") == "Status":
        return str((answer.get("details") or {}).get("uid", ""))
    return str(answer["metadata"]["uid"])


COMMAND = Command(
    help="Delete resources by file names, stdin, resources and names, or label selector", run=run, arguments=arguments
)
