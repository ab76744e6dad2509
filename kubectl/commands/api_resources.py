"""`kubectl api-resources`: what the server has."""

from __future__ import annotations

import argparse

from kubectl import printers
from kubectl.command import Command, Parser
from kubectl.session import Session


def arguments(parser: Parser) -> None:
    parser.add_argument("--api-group", default=None)
    parser.add_argument("--namespaced", nargs="?", const="true", default=None)
    parser.add_argument("--verbs", default="")
    parser.add_argument("--categories", default="")
    parser.add_argument("--no-headers", action="store_true")
    parser.add_argument("--cached", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", default="")


async def run(session: Session, args: argparse.Namespace) -> int:
    verbs = {v for v in args.verbs.split(",") if v}
    rows = []
    for found in sorted(await session.discovery.all(), key=lambda f: (f.resource.group, f.resource.plural)):
        r = found.resource
        if not found.preferred or not verbs <= set(found.verbs) or not found.verbs:
            continue
        if args.api_group is not None and r.group != args.api_group:
            continue
        if args.namespaced is not None and r.namespaced != (args.namespaced == "true"):
            continue
        if args.output == "name":
            session.say(r.qualified)
            continue
        row = [r.plural, ",".join(found.short_names), r.api_version, str(r.namespaced).lower(), r.kind]
        if args.output == "wide":
            row += [",".join(sorted(found.verbs)), ",".join(found.categories)]
        rows.append(row)
    if rows:
        head = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
        head += ["VERBS", "CATEGORIES"] if args.output == "wide" else []
        session.out.write(printers.align(rows if args.no_headers else [head, *rows]))
    return 0


COMMAND = Command(help="Print the supported API resources on the server", run=run, arguments=arguments)
