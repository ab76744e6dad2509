"""`kubectl events`: what happened, in the order of time."""

from __future__ import annotations

import argparse
from typing import Any

from kubectl import printers
from kubectl.command import Command, Parser, add_output
from kubectl.session import Session
from pocketkube.client.resources import EVENTS
from pocketkube.client.rest import typed

Obj = dict[str, Any]


def arguments(parser: Parser) -> None:
    add_output(parser)
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("--for", dest="about", default="", metavar="TYPE/NAME")
    parser.add_argument("--types", default="")
    parser.add_argument("-w", "--watch", action="store_true")
    parser.add_argument("--no-headers", action="store_true")


def _time(event: Obj) -> str:
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(seen or event["metadata"]["creationTimestamp"])


def _row(event: Obj, *, namespace: bool) -> list[str]:
    about = event["involvedObject"]
    seen = printers.age(_time(event))
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    if count > 1:
        first = event.get("firstTimestamp") or event.get("eventTime")
        seen = f"{seen} (x{count} over {printers.age(first)})"
    row = [
        seen,
        event.get("type", ""),
        event.get("reason", ""),
        f"{about.get('kind')}/{about.get('name')}",
        event.get("message", "").strip(),
    ]
    return [event["metadata"]["namespace"], *row] if namespace else row


async def _fields(session: Session, args: argparse.Namespace) -> str:
    if not args.about:
        return ""
    kind, _, name = args.about.partition("/")
    found = await session.discovery.find(kind)
    return f"involvedObject.kind={found.resource.kind},involvedObject.name={name}"


async def run(session: Session, args: argparse.Namespace) -> int:
    namespace = "" if args.all_namespaces else session.namespace
    params = {"fieldSelector": await _fields(session, args)}
    types = {t for t in args.types.split(",") if t}
    listed = await session.client.list(EVENTS, namespace, **params)
    found = [
        e for e in sorted(typed(EVENTS, listed.get("items") or []), key=_time) if not types or e.get("type") in types
    ]
    if args.output:
        session.out.write(
            printers.printer(args.output)({"apiVersion": "v1", "kind": "List", "items": found, "metadata": {}})
        )
        return 0
    head = [*(["NAMESPACE"] if args.all_namespaces else []), "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    rows = [_row(e, namespace=args.all_namespaces) for e in found]
    if not rows and not args.watch:
        session.warn(
            "No events found." if args.all_namespaces else f"No events found in {session.namespace} namespace."
        )
        return 0
    session.out.write(printers.align(rows if args.no_headers else [head, *rows]))
    if args.watch:
        async for kind, event in session.client.watch(
            EVENTS, namespace, resourceVersion=listed["metadata"]["resourceVersion"], **params
        ):
            if kind in ("ADDED", "MODIFIED") and (not types or event.get("type") in types):
                session.out.write(printers.align([_row(event, namespace=args.all_namespaces)]))
                session.out.flush()
    return 0


COMMAND = Command(help="List events", run=run, arguments=arguments, aliases=("event", "ev"))
