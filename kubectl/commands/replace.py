"""`kubectl replace -f FILE`: put whole objects in the place of what is there."""

from __future__ import annotations

import argparse

from kubectl import printers
from kubectl.command import Command, Parser, add_files, add_output, add_write, suffix, write_params
from kubectl.resolve import Target, each, targets
from kubectl.session import Session
from kubectl.waiting import until_gone
from pocketkube.api.meta.errors import NotFound


def arguments(parser: Parser) -> None:
    add_files(parser)
    add_output(parser)
    add_write(parser, manager="kubectl-replace")
    parser.add_argument("--force", action="store_true", help="delete and create again")
    parser.add_argument("--subresource", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    async def one(target: Target) -> None:
        assert target.manifest
        if args.force:
            try:
                await session.client.delete(target.resource, target.name, target.namespace, grace=0)
                if not args.output:
                    session.say(target.deleted())
                await until_gone(session, target)
            except NotFound:
                pass  # nothing to replace: it is created
            after = await session.client.create(
                target.resource, target.manifest, target.namespace, **write_params(args)
            )
        else:
            after = await session.client.update(
                target.resource, target.manifest, subresource=args.subresource, **write_params(args)
            )
        if args.output:
            session.out.write(printers.printer(args.output)(after))
        else:
            session.say(f"{target.label} replaced{suffix(args)}")

    return await each(session, await targets(session, [], args), one, doing="replacing")


COMMAND = Command(help="Replace a resource by file name or stdin", run=run, arguments=arguments)
