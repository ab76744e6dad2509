"""`apply view-last-applied`, `set-last-applied`, `edit-last-applied`: what was said when an object was last applied."""

from __future__ import annotations

import argparse
from typing import Any

import orjson

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_selectors, suffix
from kubectl.editing import edited
from kubectl.errors import CommandError
from kubectl.merge import LAST_APPLIED, last_applied
from kubectl.resolve import Target, objects, targets
from kubectl.session import Session

Obj = dict[str, Any]


def _view_arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE [NAME]")
    add_files(parser)
    add_selectors(parser)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-o", "--output", default="yaml")


async def _view(session: Session, args: argparse.Namespace) -> int:
    if args.output not in ("yaml", "json"):
        raise CommandError(f"Unexpected -o output mode: {args.output}, the flag 'output' must be one of yaml|json")
    for _, obj in await objects(session, args.words, args):
        said = last_applied(obj)
        if said is None:
            continue
        if args.output == "json":
            session.out.write(orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n")
        else:
            session.out.write(printers.to_yaml(said))
    return 0


def _set_arguments(parser: Parser) -> None:
    add_files(parser)
    add_output(parser)
    parser.add_argument("--create-annotation", action="store_true")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))


async def _set(session: Session, args: argparse.Namespace) -> int:
    for target in await targets(session, [], args):
        assert target.manifest is not None
        live = await session.client.get(target.resource, target.name, target.namespace)
        if LAST_APPLIED not in (live["metadata"].get("annotations") or {}) and not args.create_annotation:
            raise CommandError(f"no last-applied-configuration annotation found on resource: {target.name}, to create the annotation, "
                               "run the command with --create-annotation")  # fmt: skip
        if _said(target.manifest) == (live["metadata"].get("annotations") or {}).get(LAST_APPLIED):
            session.say(f"set-last-applied {target.name}: no changes required.")
            continue
        after = await _write(session, target, target.manifest, dry_run=args.dry_run)
        if args.output:
            session.out.write(printers.printer(args.output)(after))
        else:
            session.say(f"{target.label} configured{suffix(args)}")
    return 0


def _said(manifest: Obj) -> str:
    """A manifest as apply keeps it."""
    annotations = {k: v for k, v in (manifest["metadata"].get("annotations") or {}).items() if k != LAST_APPLIED}
    kept = {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode() + "\n"


async def _write(session: Session, target: Target, manifest: Obj, *, dry_run: str = "none") -> Obj:
    patch = {"metadata": {"annotations": {LAST_APPLIED: _said(manifest)}}}
    if dry_run == "client":
        return manifest
    params = {"dryRun": "All"} if dry_run == "server" else {}
    return await session.client.patch(
        target.resource, target.name, patch, namespace=target.namespace, type="merge", **params
    )


def _edit_arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE [NAME]")
    add_files(parser)
    parser.add_argument("-o", "--output", default="yaml")


async def _edit(session: Session, args: argparse.Namespace) -> int:
    for target, obj in await objects(session, args.words, args):
        said = last_applied(obj)
        if said is None:
            raise CommandError(f"no last-applied-configuration annotation found on resource: {target.name}")
        after = edited(said)
        if after is None or after == said:
            session.say("Edit cancelled, no changes made.")
            continue
        await _write(session, target, after)
        session.say(f"{target.label} edited")
    return 0


COMMANDS = {
    "view-last-applied": Command(
        help="view the latest last-applied-configuration", run=_view, arguments=_view_arguments
    ),
    "set-last-applied": Command(
        help="set it to what a file says, without changing the object", run=_set, arguments=_set_arguments
    ),
    "edit-last-applied": Command(help="edit it in an editor", run=_edit, arguments=_edit_arguments),
}
