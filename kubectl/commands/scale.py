"""`kubectl scale --replicas=N TYPE NAME`."""

from __future__ import annotations

import argparse

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_selectors, suffix
from kubectl.errors import CommandError
from kubectl.resolve import objects
from kubectl.session import Session


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="TYPE NAME")
    add_files(parser)
    add_output(parser)
    add_selectors(parser)
    parser.add_argument("--replicas", type=int, required=True)
    parser.add_argument("--current-replicas", type=int, default=-1)
    parser.add_argument("--resource-version", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--dry-run", nargs="?", const="client", default="none", choices=("none", "client", "server"))


async def run(session: Session, args: argparse.Namespace) -> int:
    if args.replicas < 0:
        raise CommandError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    for target, obj in await objects(session, args.words, args):
        now = (obj.get("spec") or {}).get("replicas", 1)
        if args.current_replicas >= 0 and now != args.current_replicas:
            raise CommandError(f"Expected replicas to be {args.current_replicas}, was {now}")
        if args.dry_run != "client":
            params = {"fieldManager": "kubectl-scale", **({"dryRun": "All"} if args.dry_run == "server" else {})}
            await session.client.patch(
                target.resource, target.name, {"spec": {"replicas": args.replicas}},
                namespace=target.namespace, type="merge", subresource="scale", **params,
            )  # fmt: skip
        if args.output:
            session.out.write(printers.printer(args.output)(obj))
        else:
            session.say(f"{target.label} scaled{suffix(args)}")
    return 0


COMMAND = Command(help="Set a new size for a deployment, replica set or stateful set", run=run, arguments=arguments)
