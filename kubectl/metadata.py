"""Setting and removing entries of metadata: what `label` and `annotate` share."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import printers
from kubectl.command import Parser, add_files, add_output, add_selectors, suffix
from kubectl.errors import CommandError
from kubectl.resolve import objects
from kubectl.session import Session

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="+", metavar="TYPE NAME KEY=VALUE")
    add_files(parser)
    add_output(parser)
    add_selectors(parser)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--resource-version", default="")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    parser.add_argument("--field-manager", default="")


def split(words: list[str]) -> tuple[list[str], dict[str, str | None]]:
    """Words that name objects, and changes: `key=value`, or `key-` for removal (None)."""
    names: list[str] = []
    changes: dict[str, str | None] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            changes[key] = value
        elif word.endswith("-") and len(word) > 1:
            changes[word[:-1]] = None
        else:
            names.append(word)
    return names, changes


async def change(session: Session, args: argparse.Namespace, member: str, *, word: str) -> int:
    """Merge the changes into `metadata.<member>` of every object that is meant."""
    names, changes = split(args.words)
    if not changes and not args.list:
        raise CommandError(f"at least one {member[:-1]} update is required")
    for target, obj in await objects(session, names, args):
        now: dict[str, str] = obj["metadata"].get(member) or {}
        if args.list:
            for key, value in sorted(now.items()):
                session.say(f"{key}={value}")
            continue
        clash = [k for k, v in changes.items() if v is not None and k in now and now[k] != v]
        if clash and not args.overwrite:
            raise CommandError(f"'{clash[0]}' already has a value ({now[clash[0]]}), and --overwrite is false")
        for key in (k for k, v in changes.items() if v is None):
            if key not in now:
                session.say(f'{member[:-1]} "{key}" not found.')
        new = {k: v for k, v in {**now, **changes}.items() if v is not None}
        after = obj
        if new != now:
            after = await _write(session, args, target, {"metadata": {member: changes}})
        if args.output:
            session.out.write(printers.printer(args.output)(after))
        else:
            removed = all(v is None for v in changes.values())
            done = f"un{word}" if removed and member == "labels" else word
            session.say(f"{target.label} {done if new != now else 'not ' + word}{suffix(args)}")
    return 0


async def _write(session: Session, args: argparse.Namespace, target: Any, patch: Obj) -> Obj:
    if args.dry_run == "client":
        return patch
    params = {"dryRun": "All"} if args.dry_run == "server" else {}
    if args.resource_version:
        patch["metadata"]["resourceVersion"] = args.resource_version
    manager = args.field_manager or "kubectl-label"
    return await session.client.patch(
        target.resource, target.name, patch, namespace=target.namespace, type="merge", fieldManager=manager, **params
    )
