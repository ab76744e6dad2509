"""`kubectl label TYPE NAME key=value key-`: set and remove labels."""

from __future__ import annotations

import argparse

from kubectl.command import Command
from kubectl.metadata import arguments, change
from kubectl.session import Session


async def run(session: Session, args: argparse.Namespace) -> int:
    return await change(session, args, "labels", word="labeled")


COMMAND = Command(help="Update the labels on a resource", run=run, arguments=arguments)
