"""`kubectl uncordon NODE`."""

from __future__ import annotations

import argparse

from kubectl.command import Command, Parser
from kubectl.nodes import mark
from kubectl.resolve import objects
from kubectl.session import Session


def arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="*", metavar="NODE")
    parser.add_argument("-l", "--selector", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    for target, node in await objects(session, ["nodes", *args.words], args):
        await mark(session, target, node, unschedulable=False)
    return 0


COMMAND = Command(help="Mark a node as schedulable", run=run, arguments=arguments)
