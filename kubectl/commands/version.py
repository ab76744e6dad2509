"""`kubectl version`: this client's and the server's."""

from __future__ import annotations

import argparse

from kubectl import printers
from kubectl.command import Command, Parser
from kubectl.session import Session

CLIENT = {"major": "1", "minor": "37", "gitVersion": "v1.37.0+pocketkube", "platform": "linux/amd64"}


def arguments(parser: Parser) -> None:
    parser.add_argument("--client", action="store_true")
    parser.add_argument("-o", "--output", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    found: dict[str, object] = {"clientVersion": CLIENT}
    if not args.client:
        found["serverVersion"] = await session.client.request("GET", "/version")
    if args.output:
        session.out.write(printers.to_json(found) if args.output == "json" else printers.to_yaml(found))
        return 0
    for name, version in found.items():
        assert isinstance(version, dict)
        session.say(f"{name.removesuffix('Version').capitalize()} Version: {version['gitVersion']}")
    return 0


COMMAND = Command(help="Print the client and server version information", run=run, arguments=arguments)
