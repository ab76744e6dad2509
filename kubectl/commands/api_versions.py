"""`kubectl api-versions`: every group and version that the server has."""

from __future__ import annotations

import argparse

from kubectl.command import Command
from kubectl.session import Session


async def run(session: Session, args: argparse.Namespace) -> int:
    await session.discovery.all()
    for version in sorted(set(session.discovery.groups)):
        session.say(version)
    return 0


COMMAND = Command(help="Print the supported API versions on the server, as group/version", run=run)
