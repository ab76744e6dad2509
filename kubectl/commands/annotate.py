"""`kubectl annotate TYPE NAME key=value key-`: set and remove annotations."""

from __future__ import annotations

import argparse

from kubectl.command import Command
from kubectl.metadata import arguments, change
from kubectl.session import Session


async def run(session: Session, args: argparse.Namespace) -> int:
    args.field_manager = args.field_manager or "kubectl-annotate"
    return await change(session, args, "annotations", word="annotated")


COMMAND = Command(help="Update the annotations on a resource", run=run, arguments=arguments)
