"""`kubectl patch`: strategic, merge or JSON patch of one object."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, suffix
from kubectl.errors import CommandError
from kubectl.resolve import targets
from kubectl.session import Session


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE NAME")
    add_files(parser)
    add_output(parser)
    parser.add_argument("-p", "--patch", default="")
    parser.add_argument("--patch-file", default="")
    parser.add_argument("--type", default="strategic", choices=("strategic", "merge", "json"))
    parser.add_argument("--subresource", default="")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))
    parser.add_argument("--field-manager", default="kubectl-patch")


async def run(session: Session, args: argparse.Namespace) -> int:
    text = Path(args.patch_file).read_text() if args.patch_file else args.patch
    if not text:
        raise CommandError("must specify --patch or --patch-file containing the contents of the patch")
    try:
        patch = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f'unable to parse "{text}": {error}') from error
    for target in await targets(session, args.words, args):
        params = {"fieldManager": args.field_manager, **({"dryRun": "All"} if args.dry_run == "server" else {})}
        before = await session.client.get(target.resource, target.name, target.namespace)
        after = await session.client.patch(
            target.resource, target.name, patch, namespace=target.namespace, type=args.type, subresource=args.subresource, **params
        )  # fmt: skip
        if args.output:
            session.out.write(printers.printer(args.output, managed_fields=args.show_managed_fields)(after))
        else:
            same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
            session.say(
                f"{target.label} patched{' (no change)' if same and args.dry_run == 'none' else ''}{suffix(args)}"
            )
    return 0


COMMAND = Command(help="Update fields of a resource", run=run, arguments=arguments)
